"""The drill that a department should do: back up while readers draw, restore elsewhere, find everything."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from adapters.bootstrap import Container, build
from adapters.environment import load_settings
from adapters.label_studio.session import ReaderSession
from adapters.label_studio.users import ensure_reader
from adapters.services.control import stop
from cli.backup import write_backup
from cli.project import label_studio_id
from cli.restore import put_back, read_backup
from cli.rounds import start_round
from cli.work import export_dataset
from loop.records import Decision, MaskVersion
from loop.training_records import RoundState
from tests.e2e.homes import ROOT, UP_SECONDS, Home, Mirror, draw_clips, running_home
from tests.e2e.projects import SIDE, make_small_project
from tests.e2e.readers import disc
from tests.machine import free_port, wait_until
from tests.services.label_studio import READER_PASSWORD

pytestmark = [pytest.mark.services, pytest.mark.slow, pytest.mark.timeout(600)]

CLIPS, PER_CLIP = range(60, 66), 6
BEFORE = 4
LABEL_STUDIO_NEXT, CONTENT_NEXT = "Label Studio's database", "frames, masks and models"


class Drawer:
    """A reader who works through the stream, one frame after another."""

    def __init__(self, mirror: Mirror, session: ReaderSession) -> None:
        self._mirror, self._session = mirror, session
        self.annotations: list[int] = []

    def draw(self) -> int:
        """Draw one frame anew and give the annotation's id."""
        task = self._session.next_task(self._mirror.label_studio_id())
        assert task is not None
        shown = task.shown.id if task.shown else None
        annotation = self._session.submit(task.id, disc(self._mirror, task.id, SIDE), 3.0, shown)
        self.annotations.append(annotation)
        return annotation


@contextmanager
def drawing(drawer: Drawer, until: threading.Event) -> Iterator[None]:
    """Submits from a thread of its own for as long as the block lasts, or until the event."""
    thread = threading.Thread(target=lambda: _draw_until(drawer, until), daemon=True)
    thread.start()
    try:
        yield
    finally:
        until.set()
        thread.join(60)


def _draw_until(drawer: Drawer, until: threading.Event) -> None:
    while not until.is_set() and len(drawer.annotations) < len(CLIPS) * PER_CLIP - 6:
        drawer.draw()


@contextmanager
def restored_home(file: Path, folder: Path) -> Iterator[Container]:
    """Restore and start as a person would, on ports of its own; gone afterwards."""
    put_back(read_backup(file, folder), folder)
    settings = load_settings(folder)
    ports = ["--label-studio-port", str(free_port()), "--backend-port", str(free_port())]
    command = [sys.executable, "-P", "-m", "cli", "up", "--home", str(folder), *ports]
    try:
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=UP_SECONDS, check=False
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        with closing(build(load_settings(folder))) as container:
            yield container
    finally:
        stop(settings)


def in_label_studio(mirror: Mirror) -> dict[int, object]:
    """Every annotation that Label Studio holds, with its last change."""
    tasks = mirror.container.label_studio.tasks_changed_since(mirror.label_studio_id(), None)
    return {each.id: each.updated_at for task in tasks for each in task.annotations}


def in_mirror(mirror: Mirror) -> dict[int, MaskVersion]:
    with mirror.container.database.read() as uow:
        return {each.annotation_id: each for each in uow.masks.latest_of_all(mirror.project_id)}


def is_level(mirror: Mirror) -> bool:
    """Annotations in Label Studio = mirror."""
    held = {number: mask.updated_at for number, mask in in_mirror(mirror).items() if is_standing(mask)}
    return held == in_label_studio(mirror)


def is_standing(mask: MaskVersion) -> bool:
    return mask.decision is not Decision.DELETED


def files_of(folder: Path) -> dict[str, bytes]:
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*.*")}
    return {name: path.read_bytes() for name, path in found.items() if path.suffix in (".png", ".json")}


def test_a_backup_under_way_loses_no_label_and_buries_none(home: Home, tmp_path: Path) -> None:
    mirror = make_small_project(home, "Drill", tmp_path / "frames", CLIPS, PER_CLIP)
    api = home.container.label_studio_api
    with ensure_reader(api, "drill@loop.org", READER_PASSWORD) as session:
        drawer, between = Drawer(mirror, session), []
        for _ in range(BEFORE):
            drawer.draw()
        wait_until(lambda: is_level(mirror), "the first labels in the mirror")
        is_over = threading.Event()

        def on_step(what: str) -> None:
            if what == LABEL_STUDIO_NEXT:  # ours is copied, Label Studio's is not
                seen = len(drawer.annotations)
                wait_until(lambda: len(drawer.annotations) > seen, "a label between the copies")
                between.append(drawer.annotations[seen - 1])
            elif what == CONTENT_NEXT:
                is_over.set()

        with drawing(drawer, is_over):
            write_backup(home.settings, tmp_path / "b.tar", on_step)
        with restored_home(tmp_path / "b.tar", tmp_path / "new") as container:
            restored = Mirror(container, mirror.project_id)
            wait_until(lambda: is_level(restored), "annotations in Label Studio = mirror")
            there, here = in_mirror(restored), in_mirror(mirror)
            assert all(map(is_standing, there.values()))
            assert {*drawer.annotations[:BEFORE], *between} <= there.keys()
            for number in here.keys() - there.keys():  # those that came after the copy of Label Studio
                session.delete(number)
            wait_until(lambda: is_level(mirror), "the late labels gone again")
            digests = {
                number: mask.mask_digest for number, mask in in_mirror(mirror).items() if is_standing(mask)
            }
            assert digests == {number: mask.mask_digest for number, mask in there.items()}
            export_dataset(home.settings.root, tmp_path / "before", mirror.project_id)
            export_dataset(container.settings.root, tmp_path / "after", mirror.project_id)
            assert files_of(tmp_path / "before") == files_of(tmp_path / "after")


@pytest.mark.full
@pytest.mark.timeout(2400)
def test_after_a_wipe_the_restored_home_trains_its_next_round(tmp_path: Path) -> None:
    with running_home(draw_clips(tmp_path / "first", (2, 10), 1)) as home:
        mirror = make_small_project(home, "Drill", tmp_path / "frames", CLIPS, PER_CLIP)
        with ensure_reader(home.container.label_studio_api, "drill@loop.org", READER_PASSWORD) as session:
            drawer = Drawer(mirror, session)
            for _ in range(len(CLIPS) * PER_CLIP - 6):
                drawer.draw()
        wait_until(lambda: is_level(mirror), "all labels in the mirror", 120)
        start_round(home.settings.root, mirror.project_id, True)
        number, champion = len(mirror.rounds()), mirror.champion().name
        before = in_mirror(mirror)
        write_backup(home.settings, tmp_path / "b.tar")
    with (
        tempfile.TemporaryDirectory(prefix="sonoloop-restored-") as folder,
        restored_home(tmp_path / "b.tar", Path(folder) / "home") as container,
    ):
        restored = Mirror(container, mirror.project_id)
        wait_until(lambda: is_level(restored), "annotations in Label Studio = mirror")
        assert in_mirror(restored) == before
        assert restored.champion().name == champion
        assert label_studio_id(restored.project)
        start_round(container.settings.root, restored.project_id, True)
        rounds = restored.rounds()
        assert len(rounds) == number + 1
        assert rounds[-1].state in (RoundState.PROMOTED, RoundState.REJECTED)
