"""Databases for the contract: every test that asks for `database` runs on an SQLite file and on a real PostgreSQL."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text

from db import SqlDatabase, upgrade

KINDS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.services)]
NUMBERS = count(1)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "template.sqlite3"
    upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def postgres_template(postgres_url: str) -> str:
    upgrade(create_postgres_database(postgres_url, "template0", "sonoloop_template"))
    return "sonoloop_template"


@pytest.fixture(params=KINDS)
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database without any table."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'empty.sqlite3'}"
    server: str = request.getfixturevalue("postgres_url")
    return create_postgres_database(server, "template0", f"empty_{next(NUMBERS)}")


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database with our tables and no row."""
    if request.param == "sqlite":
        path = tmp_path / "sonoloop.sqlite3"
        shutil.copyfile(request.getfixturevalue("sqlite_template"), path)
        return f"sqlite:///{path}"
    template: str = request.getfixturevalue("postgres_template")
    server: str = request.getfixturevalue("postgres_url")
    return create_postgres_database(server, template, f"copy_{next(NUMBERS)}")


@pytest.fixture
def database(url: str) -> Iterator[SqlDatabase]:
    opened = SqlDatabase(url)
    yield opened
    opened.close()


def create_postgres_database(server: str, template: str, name: str) -> str:
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template}"))
    engine.dispose()
    return make_url(server).set(database=name).render_as_string(hide_password=False)
