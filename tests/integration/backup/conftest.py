"""Homes and databases for the tests of backups."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from adapters.settings import Settings
from tests.contract.repositories.conftest import create_postgres_database
from tests.integration.backup.homes import NUMBERS, made_home

KINDS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.services)]


@pytest.fixture(params=KINDS)
def new_database(request: pytest.FixtureRequest) -> Callable[[], str]:
    """Gives the address of an empty database at each call; "" for SQLite, whose file lies in the home."""
    if request.param == "sqlite":
        return lambda: ""
    server: str = request.getfixturevalue("postgres_url")
    return lambda: create_postgres_database(server, f"backup_{os.getpid()}_{next(NUMBERS)}")


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    return made_home(tmp_path / "home")
