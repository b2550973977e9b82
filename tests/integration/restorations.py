"""Restorations into two databases of a PostgreSQL server, met where a test wants them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url

from adapters.environment import load_settings
from adapters.settings import Settings
from db.filling import APPLICATION, MARK
from tests.contract.repositories.conftest import create_postgres_database, run_on_postgres
from tests.integration.backup.homes import state_of
from tests.machine import wait_until
from tests.services.commands import ended, start_command

NUMBERS = count(1)
IN_LABEL_STUDIO = (
    "CREATE EXTENSION pg_trgm",
    "CREATE TYPE state AS ENUM ('open', 'done')",
    "CREATE TABLE task (id serial PRIMARY KEY, \"odd: name\" text, state state DEFAULT 'open')",
    "CREATE TABLE annotation (id serial PRIMARY KEY, task int REFERENCES task)",
    "CREATE FUNCTION nothing(int) RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE VIEW open_tasks AS SELECT * FROM task WHERE state = 'open'",
    'CREATE INDEX ON task USING gin ("odd: name" gin_trgm_ops)',
    "INSERT INTO task (\"odd: name\") SELECT 'frame ' || n FROM generate_series(1, 500) n",
    "INSERT INTO annotation (task) SELECT id FROM task",
)


MINE = "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'"
"""What somebody has in an otherwise empty database; no restoration may remove it."""


@dataclass(frozen=True)
class Place:
    """Where a restoration goes: a home, and two empty databases of the server."""

    home: Path
    ours: str
    theirs: str
    file: Path

    def begin(self) -> subprocess.Popen[str]:
        return start_command("restore", self.file, "--home", self.home)

    def restore(self, code: int = 0) -> str:
        """What the command said to stderr."""
        got, _, errors = ended(self.begin())
        assert got == code, errors
        return errors

    def beside(self) -> Place:
        """Another home for the same databases."""
        return replace(self, home=self.home.parent / "other")

    def tables(self) -> tuple[int, int]:
        asked = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
        return int(ask(self.ours, asked)), int(ask(self.theirs, asked))


def ask(url: str, statement: str) -> str:
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        found = connection.exec_driver_sql(statement).scalar_one()
    engine.dispose()
    return str(found)


def new_databases(server: str, kind: str) -> tuple[str, str]:
    number = next(NUMBERS)
    ours, theirs = (f"{kind}_{name}_{os.getpid()}_{number}" for name in ("ours", "theirs"))
    return create_postgres_database(server, ours), create_postgres_database(server, theirs)


def point_at(patch: pytest.MonkeyPatch, ours: str, theirs: str) -> None:
    """By the variables that department and Label Studio are started with."""
    address = make_url(theirs)
    values = {"USER": address.username, "NAME": address.database, "HOST": address.host, "PORT": address.port}
    patch.setenv("SONOLOOP_DATABASE_URL", ours)
    patch.setenv("DJANGO_DB", "default")
    for name, value in values.items():
        patch.setenv(f"POSTGRE_{name}", str(value))


@dataclass(frozen=True)
class Source:
    """What is restored, and what a restored home holds then."""

    settings: Settings
    file: Path
    state: object


@contextmanager
def met_between_the_two(place: Place) -> Iterator[subprocess.Popen[str]]:
    """A restoration that has filled ours, and waits in Label Studio's database for a table of that name which
    is being made.
    """
    engine = create_engine(place.theirs)
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE task (id int)")
        process = place.begin()
        try:
            wait_until(lambda: waiting(place) != "", "it waits")
            yield process
        finally:
            if process.poll() is None:
                process.kill()
                ended(process)
            with suppress(Exception):  # a restoration may have ended this session's wait for it
                connection.rollback()
    engine.dispose()


def waiting(place: Place) -> str:
    """Which client of a restoration waits in Label Studio's database; empty: none."""
    name = make_url(place.theirs).database
    of_it = f"application_name = '{APPLICATION}' AND datname = '{name}' AND wait_event_type = 'Lock'"
    return ask(place.theirs, f"SELECT coalesce(max(pid)::text, '') FROM pg_stat_activity WHERE {of_it}")  # noqa: S608


def let_go(place: Place) -> None:
    """End the session that such a client waits for."""
    is_it = "state = 'idle in transaction' AND datname = current_database()"
    run_on_postgres(
        place.theirs,
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {is_it}",  # noqa: S608
    )


def assert_restored(place: Place, source: Source) -> None:
    assert state_of(load_settings(place.home)) == source.state
    assert ask(place.theirs, "SELECT count(*) FROM task") == "500"
    assert ask(place.theirs, "SELECT mine()") == "1"
    for url in (place.ours, place.theirs):
        assert ask(url, f"SELECT to_regclass('{MARK}') IS NULL") == "True"
