"""Migrations: equal to the models, repeatable, atomic, safe from several processes, on every database."""

from __future__ import annotations

import multiprocessing

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, text
from sqlalchemy.exc import SQLAlchemyError

from db import SqlDatabase, current, open_database, upgrade
from db.models import Base
from loop.errors import BadRequest


def test_migrations_equal_models(url: str) -> None:
    database = SqlDatabase(url)
    with database.engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), Base.metadata)
        indices = {index["name"]: index for index in inspect(connection).get_indexes("rounds")}
    database.close()
    assert differences == []
    assert indices["one_live_round"]["unique"]  # a comparison of metadata looks past the index's condition
    assert any("planned" in str(option) for option in indices["one_live_round"]["dialect_options"].values())


def test_upgrading_twice_changes_nothing(empty_url: str) -> None:
    assert current(empty_url) is None
    upgrade(empty_url)
    revision = current(empty_url)
    upgrade(empty_url)
    assert current(empty_url) == revision == "0001"


def test_opening_a_database_brings_it_up_to_date_and_keeps_its_rows(empty_url: str) -> None:
    for _ in range(2):
        database = open_database(empty_url)
        with database.write() as unit:
            unit.projects.add("Arm veins", ["Vein"], {})
            unit.commit()
        database.close()
    with database.read() as unit:
        assert len(unit.projects.list()) == 2
    database.close()


def test_several_processes_may_upgrade_at_once(empty_url: str) -> None:
    processes = [
        multiprocessing.get_context("fork").Process(target=upgrade, args=(empty_url,)) for _ in range(4)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0, 0, 0]
    assert current(empty_url) == "0001"


def test_a_migration_that_fails_leaves_nothing_behind(empty_url: str) -> None:
    database = SqlDatabase(empty_url)
    with database.engine.begin() as connection:
        connection.execute(text("CREATE TABLE set_aside (note TEXT)"))
    with pytest.raises(SQLAlchemyError):
        upgrade(empty_url)
    with database.engine.connect() as connection:
        assert inspect(connection).get_table_names() == ["set_aside"]
    database.close()


def test_a_database_of_a_newer_version_is_refused(empty_url: str) -> None:
    database = open_database(empty_url)
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    database.close()
    with pytest.raises(BadRequest, match="newer"):
        upgrade(empty_url)
    assert current(empty_url) == "9999"


def test_an_sqlite_file_gets_its_folder_and_a_write_ahead_log(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = tmp_path_factory.mktemp("home") / "db" / "sonoloop.sqlite3"
    upgrade(f"sqlite:///{path}")
    database = SqlDatabase(f"sqlite:///{path}")
    with database.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar_one() == 1
