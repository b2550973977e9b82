"""A real Label Studio that goes away during intake, push, ingest and export; a receiver that sleeps."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import SecretStr

from adapters.bootstrap import Container
from adapters.formats.pixels import encode_png
from adapters.label_studio.api import Api
from adapters.label_studio.provision import BackendPlan, ensure_backend, ensure_project
from adapters.label_studio.session import ReaderSession
from loop.errors import Unavailable
from loop.frames import frame_digest
from loop.ingest import reconcile
from loop.intake import IntakePorts, SplitRule, add_frames
from loop.preannotate import follow_champion
from loop.records import NewFrame, Project
from loop.regions import mask_to_result
from loop.serving import put_into_service, relay_outbox
from tests.discs import draw_disc
from tests.fault_table import Drill
from tests.invariants import Parts, export_digests, parts_of
from tests.services.backend_stub import PASSWORD, USER, running_backend_stub
from tests.services.homes import make_settings
from tests.services.label_studio import LabelStudioServer, project_plan
from tests.services.proxy import Mode, Proxy, running_proxy

pytestmark = [pytest.mark.services, pytest.mark.timeout(400)]

FRAMES = 12
RECEIVER_SLEEPS = 20.0
FAULTS = [Mode.REFUSE, Mode.HANG, Mode.CUT]


@dataclass
class Stage:
    """A home without models that reaches Label Studio through the proxy; the reader reaches it directly."""

    container: Container
    proxy: Proxy
    reader: ReaderSession
    project: Project

    @property
    def parts(self) -> Parts:
        return parts_of(self.container)

    def add(self) -> None:
        """Take all frames in."""
        ports = IntakePorts(
            self.container.database, self.container.label_studio, self.container.queue, self.container.clock
        )
        add_frames(ports, SplitRule(), self.project.id, [self._frame(number) for number in range(FRAMES)])

    def follow(self) -> None:
        container = self.container
        relay_outbox(container.serving_ports)
        follow_champion(container.preannotate_ports, container.preannotate_rules, self.project.id)

    def look(self) -> None:
        reconcile(self.container.ingest_ports, self.project.id, full=True)

    def read(self, count: int) -> None:
        """Submit a disc for the next frames."""
        for number in range(count):
            task = self.reader.next_task(self.project.label_studio_id or 0)
            assert task is not None
            result = mask_to_result(draw_disc(number)[1], ("vein",), self.container.codec, f"{number}")
            self.reader.submit(task.id, result, 2.0, task.shown.id if task.shown else None)

    def during(self, mode: Mode, act: Callable[[], None]) -> None:
        """The deed fails, twice, and nothing else."""
        self.proxy.fail(mode)
        for _ in range(2):
            with pytest.raises(Unavailable):
                act()
        self.proxy.fail(Mode.PASS)

    def _frame(self, number: int) -> NewFrame:
        image, _ = draw_disc(number)
        self.container.storage.put("frames", frame_digest(image), encode_png(image))
        return NewFrame(frame_digest(image), image.shape[1], image.shape[0], f"clip{number}", None, False)


@pytest.fixture
def stage(label_studio_server: LabelStudioServer, tmp_path: Path) -> Iterator[Stage]:
    with ExitStack() as stack:
        proxy = stack.enter_context(running_proxy(label_studio_server.settings.label_studio_port))
        settings = make_settings(
            tmp_path,
            label_studio_url=proxy.url,
            label_studio_token=SecretStr(label_studio_server.token),
            redis_url=f"redis+socket://{tmp_path}/none.sock",
        )
        container = Container(settings)
        stack.callback(container.close)
        api = Api(proxy.url, label_studio_server.token, sleep=lambda _: None)
        container.__dict__["label_studio_api"] = api  # one that does not pause between its tries
        reader = stack.enter_context(label_studio_server.reader("reader@outages.org"))
        yield Stage(container, proxy, reader, make_project(container))


def make_project(container: Container) -> Project:
    remote = ensure_project(container.label_studio_api, project_plan("Outage", ["vein"]))
    nothing = hashlib.sha256(b"no weights").hexdigest()
    with container.database.write() as uow:
        project = uow.projects.add("Outage", ["vein"], {"held_out_fraction": 0.0})
        uow.projects.set_label_studio_id(project.id, remote)
        config = {"network": "", "classes": ["vein"]}
        version = uow.models.add(
            project.id,
            digest=nothing,
            round_id=None,
            origin="none",
            config=config,
            metrics={},
            now=container.clock(),
        )
        put_into_service(uow, project.id, version.id, container.clock())
        project = uow.projects.get(project.id)
        uow.commit()
    return project


@pytest.mark.fault(
    "Label Studio is away during intake, push, ingest and export",
    done="a proxy before it refuses, hangs, or cuts its answers in the middle",
)
@pytest.mark.parametrize("mode", FAULTS)
def test_what_label_studio_does_not_answer_is_done_later_and_once(
    stage: Stage, mode: Mode, drill: Drill
) -> None:
    stage.during(mode, stage.add)
    stage.add()
    tasks = stage.container.label_studio.task_ids(stage.project.label_studio_id or 0)
    assert len(tasks) == FRAMES
    stage.during(mode, stage.follow)
    stage.follow()
    held = stage.container.label_studio.predictions(stage.project.label_studio_id or 0, "p1-v0")
    assert Counter(each.task_id for each in held) == dict.fromkeys(tasks, 1)
    stage.read(3)
    stage.look()
    before = export_digests(stage.parts, stage.project.id)
    stage.read(2)
    stage.during(mode, stage.look)
    assert export_digests(stage.parts, stage.project.id) == before
    with drill.recovering():
        stage.look()
    assert drill.check(stage.parts, stage.project.id).annotations == 5


@pytest.mark.fault("a slow receiver of webhooks", done=f"one that sleeps {RECEIVER_SLEEPS:.0f} s with each")
def test_submit_does_not_wait_for_a_receiver_that_sleeps(
    stage: Stage, label_studio_server: LabelStudioServer, drill: Drill
) -> None:
    stage.add()
    stage.follow()
    with running_backend_stub() as stub:
        secret = BackendPlan(stub.url, USER, PASSWORD, "webhook-secret")
        ensure_backend(stage.container.label_studio_api, stage.project.label_studio_id or 0, secret)
        stub.delay = RECEIVER_SLEEPS
        began = time.monotonic()
        stage.read(1)
        took = time.monotonic() - began
        assert took < RECEIVER_SLEEPS, "it waited for the receiver"
        drill.took(took)
    stage.look()
    drill.check(stage.parts, stage.project.id)
