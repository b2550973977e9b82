"""What the repositories share: records from rows, conflict-free inserts, long lists in chunks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from itertools import islice
from typing import Any, ClassVar, Generic, TypeVar

from sqlalchemy import (
    ColumnElement,
    Connection,
    Executable,
    Select,
    case,
    cast,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from db.models import Base
from loop.errors import NotFound

Record = TypeVar("Record")
Item = TypeVar("Item")

CHANGED_AT_ONCE = 250
"""Rows in one update that gives each its own value; the database tries the values one by one."""
CHUNK = 1000
"""Values in one IN list: well under SQLite's 32,766 variables and PostgreSQL's 65,535."""


class Repository(Generic[Record]):
    """Reads the rows of one table as records: the record's fields are the table's columns by name and order.

    Statements run on a connection, not on an ORM session: no identity map can hold a row that a conditional
    update has changed since.
    """

    record: ClassVar[type]
    row: ClassVar[type[Base]]

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    @property
    def columns(self) -> Sequence[ColumnElement[Any]]:
        """The table's columns in the order of the record's fields."""
        return [getattr(self.row, field.name) for field in fields(self.record)]

    def select(self, *conditions: ColumnElement[bool]) -> Select[Any]:
        """A query for whole records."""
        return select(*self.columns).where(*conditions)

    def all(self, statement: Executable) -> list[Record]:
        """Every record that a statement returns."""
        return [self.record(*row) for row in self.connection.execute(statement)]

    def first(self, statement: Executable, values: Mapping[str, Any] | None = None) -> Record | None:
        """The first record that a statement returns, if any; `values` fill it in."""
        row = self.connection.execute(statement, values).first()
        return self.record(*row) if row is not None else None

    def by_id(self, row_id: int) -> Record:
        """The record with this id. Raises NotFound."""
        found = self.first(self.select(self.row.__table__.c.id == row_id))
        if found is None:
            raise missing(self.record.__name__, row_id)
        return found

    def change(self, row_id: int, **values: Any) -> None:
        """Set columns of one row. Raises NotFound."""
        statement = update(self.row).where(self.row.__table__.c.id == row_id).values(**values)
        if self.connection.execute(statement).rowcount == 0:
            raise missing(self.record.__name__, row_id)

    def change_each(self, column: str, value_of_id: Mapping[int, Any]) -> None:
        """Set one column of many rows, each to its own value. Raises NotFound when an id does not exist.

        In few statements: a large project has many rows, and each statement is a way to the server and back.
        """
        if not value_of_id:
            return
        key, target = self.row.__table__.c.id, self.row.__table__.c[column]
        for chunk in chunks(value_of_id.items(), CHANGED_AT_ONCE):
            pairs = {row_id: literal(value, target.type) for row_id, value in chunk}
            new = cast(case(pairs, value=key), target.type)
            statement = update(self.row).where(key.in_(pairs)).values({column: new})
            if self.connection.execute(statement).rowcount < len(pairs):
                raise missing(self.record.__name__, *pairs)

    def insert(self) -> sqlite.Insert | postgresql.Insert:
        """An insert that can say what happens on a conflict, which both databases spell alike."""
        return insert_into(self.connection, self.row)


def insert_into(connection: Connection, row: type[Base]) -> sqlite.Insert | postgresql.Insert:
    """An insert into a table, in the words of the connection's database."""
    return sqlite.insert(row) if connection.dialect.name == "sqlite" else postgresql.insert(row)


def insert_many(connection: Connection, row: type[Base], rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows of a table in few statements; none does nothing.

    Because something is returned, SQLAlchemy packs them together; else pg8000 would send them one by one.
    """
    if rows:
        connection.execute(insert(row).returning(literal(1)), rows)


def missing(kind: str, *row_ids: object) -> NotFound:
    """The error for ids that do not exist (the first few are named)."""
    named = ", ".join(str(row_id) for row_id in row_ids[:5])
    return NotFound(f"no {kind} with id {named}", "an existing id", "check the id")


def chunks(items: Iterable[Item], size: int = CHUNK) -> Iterator[list[Item]]:
    """Lists of at most `size` items, in order; empty gives none."""
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk
