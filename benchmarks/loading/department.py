"""Sonoloop as a department runs it: one home on PostgreSQL and Redis, every service under its supervisor."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from adapters.bootstrap import Container
from adapters.environment import load_settings
from adapters.formats.frames import FrameFile
from adapters.formats.truth import ClassMap
from adapters.home_files import SECRETS_FILE, remember_settings
from adapters.services.control import status, stop
from benchmarks.loading.servers import Postgres, laid_over_environment
from cli.drawing import wait_until_drawn
from cli.intake import take_in
from cli.project import ProjectRequest, connect_project, make_project
from cli.services import started_home, wait_until_ready
from loop.records import Project
from tests.discs import TINY
from tests.machine import free_port
from tests.services.label_studio import ADMIN_PASSWORD, TOKEN

RECIPE = replace(TINY, name="load", steps=60, epochs=20, looks=4)
"""The smallest network, trained for a minute or so: long enough to lie beside the readers' work."""

SECRETS = f"SONOLOOP_ADMIN_PASSWORD={ADMIN_PASSWORD}\nSONOLOOP_LABEL_STUDIO_TOKEN={TOKEN}\n"
"""Those of the copied database."""


@dataclass(frozen=True)
class Department:
    """A running home. `webhooks` is the proxy's file; `roots` are the first processes of the services."""

    container: Container
    webhooks: Path
    roots: Mapping[str, int]


@dataclass(frozen=True)
class Intake:
    """How long a department waits: seconds to read and store the files, to import them into Label Studio,
    and until the first ones are in the queue.
    """

    project: Project
    reading: float
    importing: float
    queueing: float

    @property
    def steps(self) -> tuple[float, float, float]:
        """The three waits in order."""
        return self.reading, self.importing, self.queueing


@contextmanager
def running_department(folder: Path, postgres: Postgres, database: str) -> Iterator[Department]:
    """Start everything over Label Studio's `database`; at the end stop all of it."""
    home = folder / "home"
    home.mkdir(parents=True)
    (home / SECRETS_FILE).write_text(SECRETS)
    backend, proxy, notes = free_port(), free_port(), folder / "webhooks.txt"
    remember_settings(
        home,
        {
            "database_url": postgres.database("sonoloop"),
            "label_studio_port": free_port(),
            "backend_port": backend,
            "backend_url": f"http://127.0.0.1:{proxy}",
        },
    )
    notes.touch()
    settings = load_settings(home)
    words = [sys.executable, "-m", "benchmarks.loading.proxy", str(proxy), str(backend), str(notes)]
    with laid_over_environment(postgres.variables(database)), subprocess.Popen(words) as between:
        try:
            with started_home(home, {}) as container:
                wait_until_ready(container.settings)
                roots = {each.name: each.pid for each in status(settings) if each.pid}
                yield Department(container, notes, {**roots, "postgresql": postgres.pid()})
        finally:
            stop(settings)
            between.terminate()
            shutil.rmtree(settings.socket_dir, ignore_errors=True)


def take_frames_in(container: Container, frames: Path, new_labels: int) -> Intake:
    """Make the project without weights, as a department that begins, and give it its frames."""
    classes = ClassMap(("Vein",))
    wishes = {"recipe": RECIPE.to_dict(), "min_new_labels": new_labels}
    request = ProjectRequest("Load", classes, "scratch", wishes)
    project = connect_project(container, make_project(container, request))
    begun = read = time.monotonic()

    def note(_: FrameFile) -> None:
        nonlocal read
        read = time.monotonic()

    take_in(container, project, frames, note)
    imported = time.monotonic()
    wait_until_drawn(container, project)
    return Intake(project, read - begun, imported - read, time.monotonic() - imported)
