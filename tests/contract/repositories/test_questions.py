"""How often PostgreSQL is asked for a unit of work, and what becomes of a connection that has been idle."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from db import postgresql
from db.database import SqlDatabase
from loop.errors import BadRequest, SonoloopError

pytestmark = [pytest.mark.services, pytest.mark.parametrize("url", ["postgresql"], indirect=True)]

INT4 = 23
"""PostgreSQL's number of the type `integer`."""
CUT_OTHERS = text(
    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is sent to the server: one entry for each time that the driver waits for an answer."""
    answers: list[str] = []
    waits = postgresql.Connection.handle_messages

    def wait(connection: postgresql.Connection, context: object) -> None:
        answers.append(str(getattr(context, "statement", "")))
        waits(connection, context)

    monkeypatch.setattr(postgresql.Connection, "handle_messages", wait)
    return answers


def note(database: SqlDatabase, key: str = "ANNOTATION_CREATED:1@now") -> None:
    with database.note() as unit:
        unit.inbox.add(
            key=key,
            action="ANNOTATION_CREATED",
            label_studio_project=1,
            annotation_ids=[1],
            task_ids=[],
            now=datetime.now(UTC),
        )
        unit.commit()


def look(database: SqlDatabase) -> None:
    with database.read() as unit:
        unit.projects.list()


@pytest.mark.parametrize("use", [note, look])
def test_a_unit_asks_for_its_beginning_its_statement_and_its_end(
    database: SqlDatabase, asked: list[str], use: Callable[[SqlDatabase], None]
) -> None:
    look(database)
    asked.clear()
    use(database)
    assert len(asked) == 3, asked


def test_statements_that_stand_for_themselves_are_no_transaction(database: SqlDatabase) -> None:
    engine = database.engine.execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text("CREATE TABLE by_itself (one int)"))
    with engine.connect() as connection:
        assert connection.execute(text("SELECT to_regclass('by_itself')")).scalar_one() is not None
        connection.execute(text("DROP TABLE by_itself"))
    note(database)  # and the connection begins transactions again


def test_a_value_that_cannot_be_sent_leaves_the_connection_whole(database: SqlDatabase) -> None:
    with database.write() as unit:
        with pytest.raises(SonoloopError, match="cannot be stored"):
            unit.inbox.has("half of a pair: \ud800")
        assert unit.projects.list() == []


def test_a_mistake_in_a_statement_leaves_the_connection_for_the_next_unit(database: SqlDatabase) -> None:
    with database.engine.connect() as connection:
        with pytest.raises(SonoloopError):
            connection.execute(text("SELECT 1 FROM nowhere WHERE 1 = :one"), {"one": 1})
        connection.rollback()
        assert connection.execute(text("SELECT :one"), {"one": "1"}).scalar_one() == "1"


def test_an_answer_that_broke_off_is_never_taken_for_the_next(database: SqlDatabase) -> None:
    def break_off(_value: str) -> None:
        raise MemoryError

    with database.engine.connect() as connection:
        driver = connection.connection.dbapi_connection
        assert isinstance(driver, postgresql.Connection)
        driver.pg_types[INT4] = break_off
        with pytest.raises(MemoryError):
            connection.execute(text("SELECT 1"))
    for number in (2, 3):
        with database.engine.connect() as connection:
            assert connection.execute(text(f"SELECT {number}")).scalar_one() == number


def test_a_line_that_was_closed_on_our_side_is_replaced(database: SqlDatabase) -> None:
    with database.engine.connect() as connection:
        driver = connection.connection.dbapi_connection
        assert isinstance(driver, postgresql.Connection)
        connection.execute(text("SELECT 1"))
    driver._usock.detach()
    note(database)


def test_a_commit_after_an_error_that_was_swallowed_is_a_mistake_of_the_caller(database: SqlDatabase) -> None:
    with database.write() as unit:
        with suppress(SonoloopError):
            unit._connection.execute(text("SELECT 1 FROM nowhere WHERE 1 = :one"), {"one": 1})
        with pytest.raises(BadRequest, match="has failed before"):
            unit.commit()


@pytest.mark.parametrize("trusted_seconds", [30, 0])
def test_a_connection_that_was_cut_while_it_was_idle_costs_nothing(
    database: SqlDatabase, monkeypatch: pytest.MonkeyPatch, trusted_seconds: int
) -> None:
    monkeypatch.setattr(postgresql, "TRUSTED_SECONDS", trusted_seconds)
    database.open_connections(3)
    with database.engine.connect() as other:
        other.execute(CUT_OTHERS)
    for _ in range(4):
        note(database)


def test_a_connection_that_was_idle_for_long_is_asked_before_it_is_used(
    database: SqlDatabase, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    look(database)
    monkeypatch.setattr(postgresql, "TRUSTED_SECONDS", 0)
    asked.clear()
    look(database)
    assert len(asked) == 4, asked
