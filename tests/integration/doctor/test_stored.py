"""What the doctor says of databases and contents that are really damaged, and of what they hold."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from adapters.bootstrap import build
from adapters.home_files import remember_settings
from adapters.settings import Settings
from cli.doctor.findings import State
from tests.contract.repositories.conftest import create_postgres_database
from tests.integration.doctor.homes import failing, found, made_home
from tests.services.homes import NOW


def test_a_damaged_database(home: Settings) -> None:
    path = home.database_file
    content = bytearray(path.read_bytes())
    content[4096 * 3 : 4096 * 12] = b"\xff" * 4096 * 9
    path.write_bytes(content)
    assert "damaged" in failing(home, "database") or "backup" in failing(home, "database")


@pytest.mark.parametrize(("revision", "todo"), [("0001", "down, then up"), ("9999", "update Sonoloop")])
def test_a_database_of_another_sonoloop(home: Settings, revision: str, todo: str) -> None:
    with closing(sqlite3.connect(home.database_file)) as database:
        database.execute("UPDATE alembic_version SET version_num = ?", (revision,))
        database.commit()
    assert todo in failing(home, "database")


def test_a_database_that_does_not_answer_keeps_its_password(
    home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SONOLOOP_DATABASE_URL", "postgresql://sonoloop:hunter2hunter2@127.0.0.1:9/none")
    findings = found(home)
    assert findings["database"].state is State.FAIL
    assert "hunter2" not in repr(findings)


@pytest.mark.services
def test_postgresql_is_examined_as_well(postgres_url: str, tmp_path: Path) -> None:
    url = create_postgres_database(postgres_url, f"doctor_{os.getpid()}")
    finding = found(made_home(tmp_path / "home", database_url=url))["database"]
    assert (finding.state, finding.got.split(",")[0]) == (State.OK, "PostgreSQL")


@pytest.mark.parametrize(("kind", "pattern"), [("masks", "*.slm"), ("frames", "*.png")])
def test_stored_content_that_is_damaged_or_gone(home: Settings, kind: str, pattern: str) -> None:
    path = sorted((home.root / kind).rglob(pattern))[0]
    path.write_bytes(b"damaged")
    assert f"{kind} {path.stem[:12]}" in failing(home, "contents")
    path.unlink()
    assert f"{kind} {path.stem[:12]}" in failing(home, "contents")


def test_a_store_that_does_not_answer(home: Settings) -> None:
    (home.root / "embeddings").write_text("a file in the way")
    failing(home, "storage")


def test_input_that_was_set_aside(home: Settings) -> None:
    with closing(build(home)) as container, container.database.write() as uow:
        uow.marks.set_aside("frame", "a" * 64, "got no image", NOW)
        uow.commit()
    finding = found(home)["set aside"]
    assert (finding.state, "1 set aside" in finding.got) == (State.WARN, True)


def test_a_round_that_nobody_holds(home: Settings) -> None:
    with closing(build(home)) as container, container.database.write() as uow:
        uow.rounds.add(1, reason="by hand", seed=0, label_count=4, now=NOW)
        uow.commit()
    finding = found(home)["rounds"]  # the services are stopped: it can only wait
    assert (finding.state, finding.todo) == (State.WARN, "./sonoloop up")
    remember_settings(home.root, {"services": "elsewhere"})
    assert "round 1 held by nobody" in failing(home, "rounds")
