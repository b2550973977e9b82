"""Waiting for the first drawn frames, in sight of the person: before them a reader finds nothing drawn."""

from __future__ import annotations

import time

from adapters.bootstrap import Container
from cli.shell import console, say
from loop.records import Project
from loop.sweep import followed_mark, followed_name

LOOK_SECONDS = 0.5
PATIENCE_SECONDS = 900.0


def wait_until_drawn(container: Container, project: Project) -> None:
    """Return once Label Studio serves predictions of the champion, or says that it takes unusually long.

    With many frames that is when the first ones are drawn; the worker goes on with the rest.
    """
    until = time.monotonic() + PATIENCE_SECONDS
    with console.status("drawing and ranking the first frames (it goes on without this command)"):
        while not _is_drawn(container, project.id):
            if time.monotonic() > until:
                say(console, "[yellow]no frame is drawn yet[/]: ./sonoloop logs worker-light may say why")
                return
            time.sleep(LOOK_SECONDS)


def _is_drawn(container: Container, project_id: int) -> bool:
    with container.database.read() as uow:
        project = uow.projects.get(project_id)
        if uow.marks.cursor(followed_name(project_id)) == followed_mark(uow, project):
            return True  # nothing is left to be drawn
        rows = uow.predictions.for_version(project_id, project.champion_id or 0)
    return any(row.remote_id is not None for row in rows)
