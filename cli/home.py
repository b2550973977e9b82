"""The home that a command works on: its settings, its parts, and the project that is meant."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from adapters.environment import load_settings, nearest_setting, unknown_variables
from adapters.home_files import SECRETS_FILE
from adapters.settings import Settings
from cli.elsewhere import require_noted_database
from cli.markup import escape
from cli.placing import require_restored
from cli.shell import errors, say
from loop.errors import NotFound
from loop.ports import UnitOfWork
from loop.records import Project

if TYPE_CHECKING:
    from adapters.bootstrap import Container

DEMO = "demo"


def find_home(home: Path | None) -> Settings:
    """The settings of a home that is there. Raises NotFound for a folder that holds none, Conflict for what a
    restoration has not brought to its end.
    """
    settings = load_settings(home)
    require_restored(settings)
    if not (settings.root / SECRETS_FILE).exists() and not settings.database_url:
        if settings.database_file.exists():
            raise NotFound(
                f"a home without its {SECRETS_FILE}: {settings.root}",
                "the one by which its data were made",
                "bring it back from a backup",
            )
        raise NotFound(
            f"no home in {settings.root}",
            "one made by `./sonoloop up` or `./sonoloop demo`",
            "start one of them, or name the folder by --home",
        )
    warn_of_unknown(settings)
    return settings


def has_home(home: Path | None) -> bool:
    """Whether there is one, be it a damaged one, that a command could work on."""
    settings = load_settings(home)
    files = settings.root / SECRETS_FILE, settings.database_file
    return bool(settings.database_url) or any(each.exists() for each in files)


def warn_of_unknown(settings: Settings) -> None:
    """Name every variable that looks like a setting and is none: a slip of the pen would go unseen."""
    for name in unknown_variables(settings.root):
        near = nearest_setting(name)
        hint = f"; did you mean {near}?" if near else ""
        say(errors, f"[yellow]{escape(name)} is no setting{hint}[/]")


@contextmanager
def open_home(home: Path | None) -> Iterator[Container]:
    """Open an existing home and let go of it at the end. Raises NotFound for a folder that holds none, or
    where nothing says how to reach its database.
    """
    from adapters.bootstrap import build

    settings = find_home(home)
    require_noted_database(settings)
    with closing(build(settings)) as container:
        yield container


def is_work(project: Project) -> bool:
    """Whether it is a department's own, and no demo."""
    return project.settings.get("kind") != DEMO


def choose_project(uow: UnitOfWork, project_id: int) -> Project:
    """The project of that number; 0: the newest that is no demo, else the newest. Raises NotFound."""
    if project_id:
        return uow.projects.get(project_id)
    projects = uow.projects.list()
    if not projects:
        raise NotFound(
            "a home without a project", "one", "make it by `./sonoloop up --frames DIR` or `./sonoloop demo`"
        )
    return next(filter(is_work, reversed(projects)), projects[-1])
