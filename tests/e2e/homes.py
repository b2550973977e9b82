"""A whole home as a department runs it: started by `sonoloop up`, every service real, all of it gone
afterwards.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from adapters.bootstrap import Container, build
from adapters.environment import load_settings
from adapters.home_files import SECRETS_FILE
from adapters.services.control import stop
from adapters.settings import Settings
from loop.records import Decision, Frame, MaskVersion, ModelVersion, Prediction, Project
from loop.training_records import Round
from tests.machine import free_port
from tests.services.label_studio import ADMIN_PASSWORD, TOKEN, copy_empty_database
from trainer.phantoms import draw_clip

ROOT = Path(__file__).resolve().parents[2]
TITLE, CLASS = "Sonoloop", "Vein"
UP_SECONDS = 300.0
FIXED_SECRETS = f"""\
SONOLOOP_ADMIN_PASSWORD={ADMIN_PASSWORD}
SONOLOOP_LABEL_STUDIO_TOKEN={TOKEN}
SONOLOOP_SALT=0123456789abcdef0123456789abcdef
"""
"""Those of the copied database, and a salt with which every run holds the same clips out."""


@dataclass(frozen=True)
class Home:
    """A running home; `said` is what `sonoloop up` told the person."""

    settings: Settings
    container: Container
    said: str

    @property
    def link(self) -> str:
        """Where a reader works, as it was printed."""
        return self._printed(rf"^{TITLE}  (http\S+)$")

    @property
    def login(self) -> tuple[str, str]:
        """Email and password, as they were printed."""
        email, password = self._printed(r"^  login +(\S+  \S+)$").split()
        return email, password

    def _printed(self, pattern: str) -> str:
        found = re.search(pattern, self.said, re.MULTILINE)
        assert found, f"nothing like {pattern} in what was printed:\n{self.said}"
        return str(found.group(1))


@dataclass(frozen=True)
class Mirror:
    """What our database says of one project."""

    container: Container
    project_id: int

    @property
    def project(self) -> Project:
        with self.container.database.read() as uow:
            return uow.projects.get(self.project_id)

    @property
    def frames(self) -> list[Frame]:
        with self.container.database.read() as uow:
            return uow.frames.list(self.project_id)

    def tasks(self) -> set[int]:
        """Every task that belongs to a frame."""
        return {frame.task_id for frame in self.frames if frame.task_id is not None}

    def champion(self) -> ModelVersion:
        with self.container.database.read() as uow:
            return uow.models.get(uow.projects.get(self.project_id).champion_id or 0)

    def rounds(self) -> list[Round]:
        with self.container.database.read() as uow:
            return uow.rounds.list(self.project_id)

    def queue(self) -> list[int]:
        """The tasks in the order of the champion's places."""
        with self.container.database.read() as uow:
            project = uow.projects.get(self.project_id)
            rows = uow.predictions.for_version(project.id, project.champion_id or 0)
            frames = {frame.id: frame for frame in uow.frames.list(project.id)}
        placed = sorted((row for row in rows if row.remote_id), key=lambda row: row.place or 0.0)
        return [task for row in placed if (task := frames[row.frame_id].task_id) is not None]

    def label_studio_id(self) -> int:
        return self.project.label_studio_id or 0

    def frame(self, task: int) -> Frame:
        with self.container.database.read() as uow:
            frame = uow.frames.find_by_task(task)
        assert frame is not None
        return frame

    def prediction(self, task: int) -> Prediction:
        """What the champion says of a task."""
        frame = self.frame(task)
        with self.container.database.read() as uow:
            found = uow.predictions.find(frame.id, uow.projects.get(self.project_id).champion_id or 0)
        assert found is not None
        return found

    def masks(self) -> dict[int, MaskVersion]:
        """The newest mask version of every task that has one."""
        task_of = {frame.id: frame.task_id for frame in self.frames}
        with self.container.database.read() as uow:
            latest = uow.masks.latest_of_all(self.project_id)
        return {task: mask for mask in latest if (task := task_of[mask.frame_id]) is not None}

    def unread(self) -> list[int]:
        """The tasks of the queue that still want a reader."""
        read = self.masks().keys()
        return [task for task in self.queue() if task not in read]

    def latest(self, annotation: int) -> Decision | None:
        with self.container.database.read() as uow:
            found = uow.masks.latest(annotation)
        return found.decision if found else None

    def decisions(self) -> dict[int, Decision]:
        """What was done with every task that has an annotation."""
        return {task: mask.decision for task, mask in self.masks().items()}


@contextmanager
def running_home(frames: Path, folder: Path | None = None) -> Iterator[Home]:
    """Run `sonoloop up --frames` in an empty folder, or one of its own, on free ports; at the end stop and
    remove all.
    """
    folder = folder or Path(tempfile.mkdtemp(prefix="sonoloop-e2e-")) / "home"
    folder.mkdir(exist_ok=True)
    (folder / SECRETS_FILE).write_text(FIXED_SECRETS)
    ports = {"label_studio_port": free_port(), "backend_port": free_port()}
    settings = load_settings(folder, **ports)
    copy_empty_database(settings)
    try:
        said = _up(folder, ports, frames)
        with closing(build(load_settings(folder))) as container:
            yield Home(container.settings, container, said)
    finally:
        stop(settings)
        shutil.rmtree(folder.parent, ignore_errors=True)
        shutil.rmtree(settings.socket_dir, ignore_errors=True)


def draw_clips(folder: Path, seeds: Iterable[int], frames_per_clip: int, size: int = 256) -> Path:
    """Phantoms as a scanner would have left them: a sub-folder a recording; sides in px."""
    for seed in seeds:
        clip = folder / f"clip{seed:03d}"
        clip.mkdir(parents=True)
        for number, image in enumerate(draw_clip(seed, frames_per_clip, size).images):
            Image.fromarray(image).save(clip / f"{number:03d}.png")
    return folder


def _up(home: Path, ports: dict[str, int], frames: Path) -> str:
    words = ["up", "--home", str(home), "--frames", str(frames), "--classes", CLASS, "--show-login"]
    for name, number in ports.items():
        words += [f"--{name.replace('_', '-')}", str(number)]
    done = subprocess.run(
        [sys.executable, "-P", "-m", "cli", *words],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=UP_SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout
