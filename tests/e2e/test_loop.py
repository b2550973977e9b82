"""The loop around readers who work through the API: frames in, labels back, a model out, and every service
real.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from adapters.label_studio.provision import SECRET_HEADER
from adapters.label_studio.session import ReaderSession, Result, ServedTask
from adapters.label_studio.users import ensure_reader
from adapters.services.programs import BACKEND
from cli.intake import take_in
from cli.project import connect_project, make_project
from cli.rounds import promote_version, roll_back
from cli.work import WorkPlan, add_folder
from loop.errors import NotFound
from loop.records import Decision, ModelVersion, Purpose
from loop.regions import mask_to_result
from tests.e2e.homes import CLASS, Home, Mirror, draw_clips
from tests.e2e.outages import Services, wait_until_whole
from tests.fault_table import Drill
from tests.invariants import parts_of
from tests.machine import wait_until
from tests.services.label_studio import READER_PASSWORD
from trainer.recipes import RECIPES

pytestmark = [pytest.mark.services, pytest.mark.slow, pytest.mark.timeout(800)]

SIDE = 128
FIRST_CLIPS, LATER_CLIPS = range(20, 33), range(40, 44)
LABELS = 30
BRIEF = replace(RECIPES["fast"], name="brief", size=64, steps=12, epoch_steps=4, min_epochs=3, looks=1)
Say = Callable[[str], None]


@pytest.fixture(scope="module")
def mirror(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Mirror:
    """A second project in the home, of small frames; its models train for a few steps, to be quick."""
    request = WorkPlan(classes=CLASS, title="Loop").to_request()
    request = replace(request, settings={**request.settings, "recipe": BRIEF.to_dict()})
    project = connect_project(home.container, make_project(home.container, request))
    take_in(home.container, project, draw_clips(tmp_path_factory.mktemp("first"), FIRST_CLIPS, 3, SIDE))
    mirror = Mirror(home.container, project.id)
    wait_until(lambda: len(mirror.queue()) == len(mirror.frames), "the first queue", 120)
    return mirror


@pytest.fixture(scope="module")
def reader(home: Home) -> Iterator[ReaderSession]:
    with ensure_reader(home.container.label_studio_api, "reader@loop.org", READER_PASSWORD) as session:
        yield session


def test_frames_that_are_added_stand_drawn_in_the_queue_within_a_minute(
    home: Home, mirror: Mirror, reader: ReaderSession, tmp_path: Path, say: Say
) -> None:
    before = mirror.queue()
    add_folder(home.settings.root, draw_clips(tmp_path, LATER_CLIPS, 3, SIDE), mirror.project_id)
    seconds = wait_until(lambda: len(mirror.queue()) == len(mirror.frames), "drawn and ranked", 60)
    queue = mirror.queue()
    new = [task for task in queue if task not in before]
    say(f"{len(new)} new frames drawn and ranked {seconds:.1f} s after `add`")
    assert len(new) == 12
    assert queue.index(new[0]) < queue.index(before[-1])  # among the others, not behind them
    drawn = [task for task in new if mirror.prediction(task).purpose is Purpose.PROPOSAL]
    assert len(drawn) > len(new) / 2
    assert not any(mirror.frame(task).is_held_out for task in drawn)
    assert next_task(reader, mirror).id == queue[0]


@pytest.mark.fault("the backend is down", done="killed and held down while readers accept and draw")
def test_labels_that_were_submitted_while_the_backend_was_dead_are_all_mirrored(
    home: Home, mirror: Mirror, reader: ReaderSession, say: Say, drill: Drill
) -> None:
    before = lost_webhooks(home, mirror)
    with Services(home.settings).without(BACKEND):
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{home.settings.effective_backend_url}/health", trust_env=False)
        expected = label(mirror, reader, LABELS)
    seconds = wait_until(lambda: expected.keys() <= mirror.masks().keys(), "all in the mirror", 60)
    say(f"{LABELS} labels mirrored {seconds:.1f} s after the backend was up again")
    assert mirror.decisions() == expected
    drill.took(seconds + wait_until_whole(parts_of(home.container), mirror.project_id))
    drill.check(parts_of(home.container), mirror.project_id)
    wait_until(lambda: lost_webhooks(home, mirror) == before + LABELS, "all counted as lost", 90)
    assert Decision.ACCEPTED in expected.values()
    assert Decision.FROM_SCRATCH in expected.values()


def test_a_round_starts_by_itself_and_its_model_can_be_promoted_and_rolled_back(
    home: Home, mirror: Mirror, reader: ReaderSession, say: Say
) -> None:
    with mirror.container.database.read() as uow:
        base = uow.models.list(mirror.project_id)[0]  # on a slow machine a round has passed already
    version = trained_version(mirror, reader, say)
    if mirror.champion() != version:
        promote_version(home.settings.root, mirror.project_id, version.name)
    wait_until(lambda: shown_version(reader, mirror) == version.name, "the new version", 60)
    began = time.monotonic()
    roll_back(home.settings.root, mirror.project_id)
    assert shown_version(reader, mirror) == base.name != version.name
    say(f"rolled back, and the old predictions served, in {time.monotonic() - began:.1f} s")


def test_a_deleted_task_and_forged_webhooks_change_nothing_else(
    home: Home, mirror: Mirror, reader: ReaderSession
) -> None:
    before = mirror.masks()
    labelled, waiting = next(iter(before)), mirror.unread()[-1]
    for task in (labelled, waiting):
        home.container.label_studio_api.delete(f"/api/tasks/{task}/")
    kept, one = [task for task in before if task != labelled], before[labelled].annotation_id
    lie = deletion_of(*(before[task].annotation_id for task in kept))
    assert [send(home, lie, secret) for secret in ("", "wrong")] == [401, 401]
    # Even with the secret an event is only a hint: Label Studio is asked, and has them all.
    secret = home.settings.webhook_secret.get_secret_value()
    assert [send(home, each, secret) for each in (lie, deletion_of(999_999))] == [201, 201]
    wait_until(lambda: not {labelled, waiting} & mirror.tasks(), "both are let go of", 60)
    assert {task: mirror.masks()[task] for task in kept} == {task: before[task] for task in kept}
    assert mirror.latest(one) is Decision.DELETED
    assert next_task(reader, mirror).id in mirror.tasks()


def test_a_project_that_was_deleted_in_label_studio_is_told_with_the_way_out(
    home: Home, mirror: Mirror
) -> None:
    home.container.label_studio_api.delete(f"/api/projects/{mirror.label_studio_id()}/")
    with pytest.raises(NotFound, match="export DIR"):
        connect_project(home.container, mirror.project)


def lost_webhooks(home: Home, mirror: Mirror) -> float:
    """What the backend's page of figures says of the project."""
    settings = home.settings
    auth = (settings.backend_user, settings.backend_password.get_secret_value())
    url = f"{settings.effective_backend_url}/metrics"
    text = httpx.get(url, auth=auth, trust_env=False, timeout=30).raise_for_status().text
    (value,) = (
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "sonoloop_webhooks_lost_total"
        and sample.labels == {"project": str(mirror.project_id)}
    )
    return value


def next_task(reader: ReaderSession, mirror: Mirror) -> ServedTask:
    task = reader.next_task(mirror.label_studio_id())
    assert task is not None
    return task


def shown_version(reader: ReaderSession, mirror: Mirror) -> str:
    shown = next_task(reader, mirror).shown
    return shown.model_version if shown else ""


def label(mirror: Mirror, reader: ReaderSession, count: int) -> dict[int, Decision]:
    """Accept every second proposal, draw a disc into everything else; what the mirror must say of each."""
    decisions: dict[int, Decision] = {}
    for turn in range(count):
        task = next_task(reader, mirror)
        assert task.shown is not None
        is_drawn = mirror.prediction(task.id).purpose is Purpose.PROPOSAL
        is_accepted = is_drawn and turn % 2 == 0
        result = task.shown.result if is_accepted else disc(mirror, turn)
        reader.submit(task.id, result, 2.5, task.shown.id)
        kept = Decision.ACCEPTED if is_accepted else Decision.FIXED
        decisions[task.id] = kept if is_drawn else Decision.FROM_SCRATCH
    return decisions


def disc(mirror: Mirror, turn: int) -> Result:
    rows, columns = np.mgrid[:SIDE, :SIDE]
    centre, radius = 30 + 2 * (turn % 30), 8 + turn % 12
    mask = (rows - centre) ** 2 + (columns - 50) ** 2 <= radius**2
    return mask_to_result(mask[None], (CLASS,), mirror.container.codec, f"disc {turn}")


def trained_version(mirror: Mirror, reader: ReaderSession, say: Say) -> ModelVersion:
    """What came of the first round, which nobody has asked for."""
    missing = mirror.container.settings.min_new_labels - teaching(mirror, mirror.masks())
    while missing > 0:
        missing -= teaching(mirror, label(mirror, reader, missing))
    wait_until(lambda: bool(mirror.rounds()), "a planned round", 60)
    wait_until(lambda: not mirror.rounds()[0].state.is_live, "the end of the round", 600)
    (ended,) = mirror.rounds()
    assert ended.candidate_id is not None, ended.error
    assert ended.finished_at is not None
    seconds = (ended.finished_at - ended.created_at).total_seconds()
    say(f"a round on {ended.label_count} labels: {ended.state.value} after {seconds:.0f} s ({ended.reason})")
    with mirror.container.database.read() as uow:
        return uow.models.get(ended.candidate_id)


def teaching(mirror: Mirror, tasks: Iterable[int]) -> int:
    """How many of the tasks are of frames that are not held out."""
    return sum(not mirror.frame(task).is_held_out for task in tasks)


def deletion_of(*annotations: int) -> dict[str, object]:
    """A webhook's body."""
    return {"action": "ANNOTATIONS_DELETED", "annotations": [{"id": each} for each in annotations]}


def send(home: Home, body: dict[str, object], secret: str) -> int:
    """Post to the webhook; the status of the answer."""
    url = f"{home.settings.effective_backend_url}/webhook"
    return httpx.post(url, json=body, headers={SECRET_HEADER: secret}, trust_env=False).status_code
