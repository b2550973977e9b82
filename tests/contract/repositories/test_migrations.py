"""Migrations: equal to the models, repeatable, atomic, safe from several processes, on every database."""

from __future__ import annotations

import multiprocessing

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import RowMapping, inspect, select, text
from sqlalchemy import table as named
from sqlalchemy.exc import SQLAlchemyError

from db import SqlDatabase, current, downgrade, open_database, upgrade
from db.models import Base
from loop.errors import BadRequest
from tests.contract.repositories.rows import fill_every_table

REVISIONS = ("0001", "0002", "0003", "0004")
HEAD = REVISIONS[-1]


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
    assert current(empty_url) == revision == HEAD


@pytest.mark.parametrize("revision", REVISIONS[:-1])
def test_going_back_and_up_again_loses_no_row(empty_url: str, revision: str) -> None:
    database = open_database(empty_url)
    fill_every_table(database)
    before = contents(database)
    downgrade(empty_url, revision)
    assert current(empty_url) == revision
    below = contents(database)
    upgrade(empty_url)
    after = contents(database)
    database.close()
    assert all(before.values())
    assert {table: len(rows) for table, rows in below.items()} == {
        table: len(rows) for table, rows in before.items()
    }
    assert after == before


def test_rows_of_an_older_program_are_brought_up(empty_url: str) -> None:
    database = open_database(empty_url)
    downgrade(empty_url, "0001")
    with database.engine.begin() as connection:
        connection.execute(text("INSERT INTO projects (title, classes, settings) VALUES ('a', '[]', '{}')"))
        connection.execute(
            text(
                "INSERT INTO model_versions"
                " (project_id, number, name, digest, origin, config, metrics, created_at)"
                " VALUES (1, 0, 'p1-v0', 'd', 'phantoms', '{}', '{}', '2030-01-01 00:00:00+00:00')"
            )
        )
    upgrade(empty_url)
    with database.read() as unit:
        assert unit.models.get(1).withdrawn_at is None
    database.close()


def test_no_migration_takes_a_readers_work_away(empty_url: str) -> None:
    database = open_database(empty_url)
    fill_every_table(database)
    before = contents(database)
    with pytest.raises(BadRequest, match="backup"):
        downgrade(empty_url, "base")
    assert (current(empty_url), contents(database)) == (HEAD, before)
    database.close()


def test_an_empty_database_goes_back_to_nothing(empty_url: str) -> None:
    upgrade(empty_url)
    downgrade(empty_url, "base")
    assert current(empty_url) is None
    upgrade(empty_url)
    assert current(empty_url) == HEAD


def contents(database: SqlDatabase) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table of ours, columns by name, those without a value left out."""
    with database.engine.connect() as connection:
        tables = sorted(set(inspect(connection).get_table_names()) - {"alembic_version"})
        rows = {
            table: connection.execute(select("*").select_from(named(table))).mappings() for table in tables
        }
        return {table: sorted(map(filled, found), key=repr) for table, found in rows.items()}


def filled(row: RowMapping) -> tuple[object, ...]:
    return tuple(sorted((name, repr(value)) for name, value in row.items() if value is not None))


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
    assert current(empty_url) == HEAD


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
