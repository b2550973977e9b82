"""Every test that asks for `database` runs on an SQLite file and on a real PostgreSQL, both without a row."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url

from db import SqlDatabase, upgrade
from db.models import Base

KINDS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.services)]
NUMBERS = count(1)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated file to copy."""
    path = tmp_path_factory.mktemp("template") / "template.sqlite3"
    upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def shared_postgres(postgres_url: str) -> str:
    """A migrated database to empty: one for each test would cost a thousand files each."""
    url = create_postgres_database(postgres_url, "contract")
    upgrade(url)
    return url


@pytest.fixture(params=KINDS)
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database of the test's own without any table."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'empty.sqlite3'}"
    return create_postgres_database(request.getfixturevalue("postgres_url"), f"empty_{next(NUMBERS)}")


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database with our tables and no row; the test leaves the tables as they are."""
    if request.param == "sqlite":
        path = tmp_path / "sonoloop.sqlite3"
        shutil.copyfile(request.getfixturevalue("sqlite_template"), path)
        return f"sqlite:///{path}"
    shared: str = request.getfixturevalue("shared_postgres")
    run_on_postgres(
        shared,
        "SET session_replication_role = replica",  # lets the trigger on mask versions sleep
        f"TRUNCATE {', '.join(Base.metadata.tables)} RESTART IDENTITY",
    )
    return shared


@pytest.fixture
def database(url: str) -> Iterator[SqlDatabase]:
    opened = SqlDatabase(url)
    yield opened
    opened.close()


def create_postgres_database(server: str, name: str) -> str:
    run_on_postgres(server, f"CREATE DATABASE {name} TEMPLATE template0")
    return make_url(server).set(database=name).render_as_string(hide_password=False)


def run_on_postgres(address: str, *statements: str) -> None:
    engine = create_engine(address, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    engine.dispose()
