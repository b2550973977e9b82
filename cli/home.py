"""The home that a command works on: settings, secrets, database, and the project that is meant."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from adapters.bootstrap import Container, build
from adapters.settings import load_settings
from loop.errors import NotFound
from loop.ports import UnitOfWork
from loop.records import Project

DEMO = "demo"


@contextmanager
def open_home(home: Path | None) -> Iterator[Container]:
    """Open an existing home and let go of it at the end. Raises NotFound for a folder that holds none."""
    settings = load_settings(home)
    if not settings.root.is_dir():
        raise NotFound(
            "a home that does not exist", "one made by `up` or `demo`", "start there, or name it by --home"
        )
    container = build(settings)
    try:
        yield container
    finally:
        container.close()


def choose_project(uow: UnitOfWork, project_id: int) -> Project:
    """The project of that number; 0: the newest that is no demo, else the newest. Raises NotFound."""
    if project_id:
        return uow.projects.get(project_id)
    projects = uow.projects.list()
    if not projects:
        raise NotFound(
            "a home without a project", "one", "make it by `./sonoloop up --frames DIR` or `./sonoloop demo`"
        )
    return next((each for each in reversed(projects) if each.settings.get("kind") != DEMO), projects[-1])
