"""The installation under examination: its settings, and connections that are short of patience."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from adapters.bootstrap import label_studio_guard
from adapters.environment import load_usable_settings
from adapters.label_studio.api import Api
from adapters.queue import CeleryQueue
from adapters.settings import Settings
from adapters.storage import LocalStorage, ObjectStorage, open_storage
from cli.doctor.advice import START
from cli.elsewhere import require_noted_database
from db import SqlDatabase
from loop.errors import BadRequest, NotFound
from loop.ports import UnitOfWork
from loop.records import Project

ANSWER_SECONDS = 4.0


class NoDatabase(NotFound):
    """A home without its database, with advice for wherever the services run."""

    advice = "run " + START

    def __init__(self) -> None:
        super().__init__("no database", "the one that the first start makes", self.advice.here)


@dataclass(frozen=True)
class Installation:
    """A home and what belongs to it. Nothing is opened before a check asks for it, and the schema is never
    changed; `refused` says why some settings could not be taken: the defaults stand in for those.
    """

    settings: Settings
    refused: BadRequest | None = None
    began: tuple[float, float] = field(default_factory=lambda: (time.time(), time.monotonic()))

    @contextmanager
    def unit(self) -> Iterator[UnitOfWork]:
        """One look into the database. Raises NotFound for a file that is not there, Unavailable."""
        with self.database() as database, database.read() as uow:
            yield uow

    @contextmanager
    def change(self) -> Iterator[UnitOfWork]:
        """One change in the database, of what the doctor itself left there."""
        with self.database() as database, database.write() as uow:
            yield uow

    @contextmanager
    def database(self) -> Iterator[SqlDatabase]:
        """That of the home, as it is. Raises what `unit` does."""
        require_noted_database(self.settings)
        if not self.settings.database_url and not self.settings.database_file.is_file():
            raise NoDatabase
        with closing(SqlDatabase(self.settings.effective_database_url)) as database:
            yield database

    def projects(self) -> list[Project]:
        """Every project that has its twin in Label Studio."""
        with self.unit() as uow:
            return [each for each in uow.projects.list() if each.label_studio_id is not None]

    @contextmanager
    def label_studio(self) -> Iterator[Api]:
        """Label Studio's API as the first account; use `ask`, which is not patient."""
        token = self.settings.label_studio_token.get_secret_value()
        guard = label_studio_guard(self.settings)
        with closing(Api(self.settings.effective_label_studio_url, token, guard=guard)) as api:
            yield api

    @contextmanager
    def queue(self) -> Iterator[CeleryQueue]:
        """The wake-up calls."""
        with closing(CeleryQueue(self.settings)) as queue:
            yield queue

    def storage(self) -> LocalStorage | ObjectStorage:
        """Frames, masks and models by digest."""
        return open_storage(self.settings.root, self.settings.storage_url)


def ask(api: Api, path: str, **params: Any) -> Any:
    """One GET, once, answered soon or not at all. Raises what `Api` raises."""
    return api.send("GET", path, params=params, timeout=ANSWER_SECONDS).json()


def read_installation(home: Path | None) -> Installation:
    """The installation at that home, even where some of its settings cannot be."""
    return Installation(*load_usable_settings(home))
