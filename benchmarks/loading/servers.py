"""PostgreSQL with its databases, and Label Studio on one of them as a user would start it by itself."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import psutil
from sqlalchemy import Connection, create_engine, make_url, text

from adapters.environment import process_environment
from adapters.label_studio import server
from adapters.label_studio.api import Api
from adapters.label_studio.config import label_config
from adapters.settings import Settings
from tests.services.label_studio import label_studio_process

START_SECONDS = 300.0
OURS_INSIDE = ("DJANGO_SETTINGS_MODULE", "PYTHONPATH")
"""What makes Label Studio load modules of ours."""


@dataclass(frozen=True)
class Postgres:
    """A running server by the SQLAlchemy address of its first database."""

    url: str

    def database(self, name: str) -> str:
        """The address of another database of it."""
        return make_url(self.url).set(database=name).render_as_string(hide_password=False)

    def plain_url(self, name: str) -> str:
        """The same without a driver, as PostgreSQL's own programs read it."""
        return self.database(name).replace("+pg8000", "")

    def create(self, name: str, template: str = "template0") -> str:
        """Make a database, a copy of `template`, which nobody may be using; its address."""
        self.run(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.database(name)

    def run(self, statement: str, database: str = "") -> list[tuple[object, ...]]:
        """Run one statement of our own; the rows, where it gives any."""
        with _connected(self.database(database) if database else self.url) as connection:
            answer = connection.execute(text(statement))
            return [tuple(row) for row in answer] if answer.returns_rows else []

    def pid(self) -> int:
        """The server's first process."""
        with _connected(self.url) as connection:
            backend = int(connection.execute(text("SELECT pg_backend_pid()")).scalar_one())
            return psutil.Process(backend).ppid()

    def variables(self, name: str) -> dict[str, str]:
        """What makes Label Studio use this database."""
        address = make_url(self.url)
        return {
            "DJANGO_DB": "default",
            "POSTGRE_HOST": str(address.host),
            "POSTGRE_PORT": str(address.port),
            "POSTGRE_NAME": name,
            "POSTGRE_USER": str(address.username),
            "POSTGRE_PASSWORD": "trusted",
        }


@contextmanager
def laid_over_environment(variables: Mapping[str, str]) -> Iterator[None]:
    """These variables in the environment, for the processes that are started meanwhile."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


@contextmanager
def plain_label_studio(settings: Settings, variables: Mapping[str, str]) -> Iterator[int]:
    """The id of Label Studio's process, up and without a module of ours in it; ended with the block."""
    (settings.frames_dir / "all").mkdir(parents=True, exist_ok=True)
    ours = server.environment(settings)
    environment = process_environment({**ours, **variables})
    for name in OURS_INSIDE:
        environment.pop(name, None)
    with label_studio_process(settings, environment, START_SECONDS) as process:
        yield process.pid


def plain_project(api: Api, settings: Settings, classes: tuple[str, ...]) -> int:
    """A project as Label Studio makes one by default, with a storage that shows the frames."""
    made = api.post("/api/projects/", {"title": "Bare", "label_config": label_config(classes)})
    storage = {"project": made["id"], "title": "frames", "path": str(settings.frames_dir / "all")}
    api.post("/api/storages/localfiles/", {**storage, "use_blob_urls": True})
    return int(made["id"])


@contextmanager
def _connected(url: str) -> Iterator[Connection]:
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()
