"""Units of work: all or nothing, snapshots, and foreign errors mapped, on every database."""

from __future__ import annotations

import traceback
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import event, text

from db import SqlDatabase, open_database
from loop.errors import BadRequest, Conflict, OutOfSpace, Unavailable
from loop.records import NewFrame
from tests.contract.repositories.rows import NOON, add_frames, add_project, add_round, digest


def titles(database: SqlDatabase) -> list[str]:
    with database.read() as unit:
        return [project.title for project in unit.projects.list()]


def test_a_unit_is_rolled_back_unless_it_is_committed(database: SqlDatabase) -> None:
    with database.write() as unit:
        unit.projects.add("forgotten", ["Vein"], {})
    with suppress(KeyError), database.write() as unit:
        unit.projects.add("failed", ["Vein"], {})
        raise KeyError
    with database.write() as unit:
        unit.projects.add("kept", ["Vein"], {})
        unit.commit()
        unit.projects.add("after the commit", ["Vein"], {})
    assert titles(database) == ["kept"]


def test_a_note_is_whole_and_seen_at_once_but_does_not_wait_for_the_disk(database: SqlDatabase) -> None:
    told = "SELECT setting = 'off' AND source = 'session' FROM pg_settings WHERE name = 'synchronous_commit'"
    waits = {"sqlite": ("PRAGMA synchronous", 2, 1), "postgresql": (told, False, True)}
    question, waiting, not_waiting = waits[database.engine.dialect.name]
    with suppress(KeyError), database.note() as unit:
        unit.projects.add("failed", ["Vein"], {})
        raise KeyError
    with database.note() as unit:
        unit.projects.add("kept", ["Vein"], {})
        assert unit._connection.exec_driver_sql(question).scalar_one() == not_waiting
        unit.commit()
    assert titles(database) == ["kept"]
    with database.write() as unit:  # on the connection that the note gave back
        assert unit._connection.exec_driver_sql(question).scalar_one() == waiting


def test_calls_run_in_order_once_the_change_can_be_seen(database: SqlDatabase) -> None:
    seen: list[object] = []
    with database.write() as unit:
        unit.projects.add("kept", ["Vein"], {})
        unit.after_commit(lambda: seen.append(titles(database)))
        unit.after_commit(lambda: seen.append("second"))
        assert seen == []
        unit.commit()
        unit.commit()
    assert seen == [["kept"], "second"]


def test_a_rollback_forgets_the_calls(database: SqlDatabase) -> None:
    seen: list[str] = []
    with database.write() as unit:
        unit.after_commit(lambda: seen.append("called"))
    assert seen == []


def test_a_call_that_fails_leaves_the_change_durable(database: SqlDatabase) -> None:
    def fail() -> None:
        raise Unavailable("no broker")

    with database.write() as unit:
        unit.projects.add("kept", ["Vein"], {})
        unit.after_commit(fail)
        with pytest.raises(Unavailable, match="no broker"):
            unit.commit()
    assert titles(database) == ["kept"]


def test_a_reading_unit_refuses_changes(database: SqlDatabase) -> None:
    with pytest.raises(BadRequest, match="for reading"), database.read() as unit:
        add_project(unit)
    with database.write() as unit:
        add_project(unit)
        unit.commit()
    assert len(titles(database)) == 1


def test_a_reading_unit_sees_one_snapshot_and_waits_for_no_writer(database: SqlDatabase) -> None:
    with database.read() as reader:
        assert reader.projects.list() == []
        with database.write() as writer:
            add_project(writer)
            assert reader.projects.list() == []
            writer.commit()
        assert reader.projects.list() == []
    assert len(titles(database)) == 1


def test_a_unit_that_waits_too_long_for_a_lock_is_told_to_try_again(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("db.engine.BUSY_SECONDS", 0.2)
    database = SqlDatabase(url)
    with database.write() as unit:
        project = add_project(unit)
        unit.commit()
    with database.write() as first:
        add_round(first, project)
        with pytest.raises(Unavailable, match="busy"), database.write() as second:
            add_round(second, project)
        first.commit()
    with database.write() as third, pytest.raises(Conflict):
        add_round(third, project)
    database.close()


def test_a_value_that_json_does_not_know_is_refused(database: SqlDatabase) -> None:
    with database.write() as unit, pytest.raises(BadRequest, match="cannot be stored"):
        unit.projects.add("Arm veins", ["Vein"], {"labels": np.int64(3)})


def test_not_even_the_traceback_of_a_refused_row_says_whose_it_is(database: SqlDatabase) -> None:
    nameless = NewFrame(digest(1), 64, 48, None, "Erika Muster", is_held_out=False)  # type: ignore[arg-type]
    with database.write() as unit, pytest.raises(BadRequest) as caught:
        unit.frames.add(add_project(unit).id, [nameless], NOON)
    assert "Muster" not in "".join(traceback.format_exception(caught.value))


def test_a_database_without_tables_says_so(empty_url: str) -> None:
    database = SqlDatabase(empty_url)
    with database.read() as unit, pytest.raises(Unavailable, match="upgrade"):
        unit.projects.list()
    database.close()


def test_a_full_disk_keeps_what_was_there(empty_url: str) -> None:
    database = open_database(empty_url)
    with database.write() as unit:
        add_project(unit)
        unit.commit()
    fill = fill_sqlite if empty_url.startswith("sqlite") else fill_postgres
    fill(database)
    database.close()
    with database.write() as unit, pytest.raises(OutOfSpace):
        add_frames(unit, add_project(unit), 2000)
    assert len(titles(database)) == 1
    database.close()


def fill_sqlite(database: SqlDatabase) -> None:
    """Let the file have no further page."""
    event.listen(database.engine, "connect", lambda file, _: file.execute("PRAGMA max_page_count = 1"))


def fill_postgres(database: SqlDatabase) -> None:
    """Let the server answer an insert as it does when a table cannot grow."""
    with database.engine.begin() as connection:
        connection.execute(
            text(
                "CREATE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql AS"
                " $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END $$"
            )
        )
        connection.execute(
            text("CREATE TRIGGER fill BEFORE INSERT ON frames FOR EACH ROW EXECUTE FUNCTION fill()")
        )


CUT_OTHERS = text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE pid <> pg_backend_pid() AND datname = current_database()"
)


@pytest.mark.services
@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_a_connection_cut_by_the_server_costs_one_unit(database: SqlDatabase) -> None:
    with database.write() as unit:
        with database.engine.connect() as other:
            other.execute(CUT_OTHERS)
        with pytest.raises(Unavailable, match="does not answer"):
            unit.projects.list()
    assert titles(database) == []


def test_a_server_that_is_not_there_is_unavailable() -> None:
    database = SqlDatabase("postgresql://nobody@127.0.0.1:9/none")
    with pytest.raises(Unavailable, match="does not answer"), database.read() as unit:
        unit.projects.list()


def test_a_file_that_cannot_be_opened_is_unavailable(tmp_path: Path) -> None:
    database = SqlDatabase(f"sqlite:///{tmp_path / 'missing' / 'sonoloop.sqlite3'}")
    with pytest.raises(Unavailable, match="cannot be opened"), database.read() as unit:
        unit.projects.list()


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sonoloop.sqlite3"
    path.write_text("no database " * 100)
    with (
        pytest.raises(BadRequest, match="damaged or foreign"),
        SqlDatabase(f"sqlite:///{path}").read() as unit,
    ):
        unit.projects.list()


@pytest.mark.parametrize("address", ["", "nonsense", "mysql://host/name", "sqlite://", "sqlite:///:memory:"])
def test_an_address_of_another_kind_is_refused(address: str) -> None:
    with pytest.raises(BadRequest, match="sqlite:///path"):
        SqlDatabase(address)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+pg8000"])
def test_every_spelling_of_postgresql_uses_the_one_driver(scheme: str) -> None:
    assert SqlDatabase(f"{scheme}://user:word@host/name").engine.driver == "pg8000"


def test_fresh_statistics_change_no_row_and_let_sqlite_know_its_tables(database: SqlDatabase) -> None:
    with database.write() as unit:
        add_frames(unit, add_project(unit), 2000)
        unit.commit()
    for _ in range(2):
        database.renew_statistics()
    with database.read() as unit:
        assert unit.frames.count(1) == 2000
    if database.engine.dialect.name == "sqlite":
        with database.engine.connect() as connection:
            known = connection.exec_driver_sql("SELECT DISTINCT tbl FROM sqlite_stat1").scalars().all()
        assert "frames" in known
