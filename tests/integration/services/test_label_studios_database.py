"""A home whose Label Studio runs on PostgreSQL: started once with the variables, then without them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect, make_url

from adapters.environment import load_settings
from adapters.home_files import remember_settings
from adapters.services.control import status, stop
from adapters.services.programs import LABEL_STUDIO
from cli.elsewhere import LABEL_STUDIO_NOTE
from cli.services import started_home
from loop.errors import NotFound
from tests.contract.repositories.conftest import create_postgres_database
from tests.machine import demand_label_studio, free_port, wait_until
from tests.services.commands import ended, start_command

pytestmark = [pytest.mark.services, pytest.mark.slow, pytest.mark.timeout(300)]
PASSWORD = "hunter2-trusted"


def set_variables(patch: pytest.MonkeyPatch, url: str) -> None:
    address = make_url(url)
    values = {"HOST": address.host, "PORT": address.port, "NAME": address.database, "USER": address.username}
    patch.setenv("DJANGO_DB", "default")
    for name, value in {**values, "PASSWORD": PASSWORD}.items():
        patch.setenv(f"POSTGRE_{name}", str(value))


@pytest.fixture
def urls(postgres_url: str) -> tuple[str, str]:
    demand_label_studio()
    first, second = (f"label_studio_{number}_{os.getpid()}" for number in (1, 2))
    return create_postgres_database(postgres_url, first), create_postgres_database(postgres_url, second)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    root = tmp_path / "home"
    root.mkdir()
    remember_settings(root, {"label_studio_port": free_port(), "backend_port": free_port(), "threads": 1})
    yield root
    stop(load_settings(root))


def test_without_its_variables_label_studio_is_not_begun_anew_in_the_home(
    home: Path, urls: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, another = urls
    engine = create_engine(url)
    with monkeypatch.context() as patched:
        set_variables(patched, url)
        with started_home(home, {}):
            wait_until(lambda: inspect(engine).has_table("django_migrations"), "it is on PostgreSQL", 170)
        set_variables(patched, another)
        with pytest.raises(NotFound, match="had its own at"), started_home(home, {}):
            pass
        stop(load_settings(home))
    engine.dispose()
    code, _, errors = ended(start_command("up", "--home", home))
    address = make_url(url)
    place = f"postgresql://{address.host}:{address.port}/{address.database}"
    said = " ".join(errors.split())
    assert (code, f"Label Studio has its database at {place}" in said) == (1, True), errors
    assert {each.state for each in status(load_settings(home)) if each.name == LABEL_STUDIO} == {"stopped"}
    assert not (home / "label-studio" / "label_studio.sqlite3").exists()
    assert (home / LABEL_STUDIO_NOTE).read_text() == f"{place}\n"
    files = [path for path in home.rglob("*") if path.is_file()]
    assert not [path for path in files if PASSWORD.encode() in path.read_bytes()]
