"""Opens units of work on SQLite or PostgreSQL: one transaction each, rolled back unless committed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext

from sqlalchemy import Connection

from db.engine import Access, make_engine
from db.filling import take_over
from db.repositories import (
    SqlFigures,
    SqlFrames,
    SqlInbox,
    SqlMarks,
    SqlMasks,
    SqlModels,
    SqlOutbox,
    SqlPredictions,
    SqlProjects,
    SqlReaders,
    SqlRounds,
    SqlSelections,
)
from db.schema import upgrade
from loop import repositories

ANALYSED_ROWS = 1000
"""Of each index that SQLite looks at: enough to choose by, and quick at any size."""
ALL_TABLES = "0x10002"
"""SQLite's word for: analyse what needs it, whether or not this connection has asked for it yet."""


class SqlUnitOfWork:
    """One transaction over all repositories; leaving the `with` block without `commit` rolls back.

    A unit belongs to the thread that opened it.
    Work after a `commit` is a new transaction, with the same rule.
    """

    def __init__(self, connection: Connection) -> None:
        self.projects: repositories.Projects = SqlProjects(connection)
        self.frames: repositories.Frames = SqlFrames(connection)
        self.readers: repositories.Readers = SqlReaders(connection)
        self.models: repositories.Models = SqlModels(connection)
        self.predictions: repositories.Predictions = SqlPredictions(connection)
        self.masks: repositories.Masks = SqlMasks(connection)
        self.rounds: repositories.Rounds = SqlRounds(connection)
        self.selections: repositories.Selections = SqlSelections(connection)
        self.inbox: repositories.Inbox = SqlInbox(connection)
        self.outbox: repositories.Outbox = SqlOutbox(connection)
        self.marks: repositories.Marks = SqlMarks(connection)
        self.figures: repositories.Figures = SqlFigures(connection)
        self._connection = connection
        self._calls: list[Callable[[], None]] = []

    def commit(self) -> None:
        """Make the changes durable, then run what `after_commit` collected, in order.

        A call that raises stops the later ones and reaches the caller; the changes stay durable.
        Raises Unavailable, OutOfSpace, Conflict: then nothing was changed and no call was made.
        """
        self._connection.commit()
        calls, self._calls = self._calls, []
        for call in calls:
            call()

    def after_commit(self, call: Callable[[], None]) -> None:
        """Run `call` once the changes are durable; a rollback forgets it."""
        self._calls.append(call)


class SqlDatabase:
    """The database at an address; threads and forked processes may share it.

    Nothing is opened before the first unit of work. Raises BadRequest for an address of another kind.
    """

    def __init__(self, url: str) -> None:
        self.engine = make_engine(url)
        # In line for SQLite's one writer: its own way of waiting sleeps, and lets others overtake.
        self._noting = threading.Lock() if self.engine.dialect.name == "sqlite" else nullcontext()

    @contextmanager
    def write(self) -> Iterator[SqlUnitOfWork]:
        """A unit that may change rows. Raises Unavailable when the database is silent or locked for 5 s."""
        with self._unit(Access.WRITE) as unit:
            yield unit

    @contextmanager
    def note(self) -> Iterator[SqlUnitOfWork]:
        """A writing unit for what would be learnt again if it were lost: its commit waits for no disk.

        After a loss of power, or a crash of PostgreSQL, the units of the last moment may be gone; none is
        half there. Raises as `write` does.
        """
        with self._noting, self._unit(Access.NOTE) as unit:
            yield unit

    @contextmanager
    def read(self) -> Iterator[SqlUnitOfWork]:
        """A unit that sees one snapshot and waits for no writer; a change in it raises BadRequest."""
        with self._unit(Access.READ) as unit:
            yield unit

    def open_connections(self, number: int) -> None:
        """Have so many open, at most as many as are kept, for those who will be in a hurry. Raises
        Unavailable.
        """
        with ExitStack() as opened:
            for _ in range(number):
                opened.enter_context(self.engine.connect())

    def renew_statistics(self) -> None:
        """Let SQLite count its tables again where they have grown, so that it goes on choosing good plans; a
        moment's work. PostgreSQL sees to it itself. Raises Unavailable.
        """
        if self.engine.dialect.name != "sqlite":
            return
        with self.engine.connect().execution_options(access=Access.WRITE) as connection:
            connection.exec_driver_sql(f"PRAGMA analysis_limit = {ANALYSED_ROWS}")
            connection.exec_driver_sql(f"PRAGMA optimize = {ALL_TABLES}")
            connection.commit()

    def close(self) -> None:
        """Let go of everything; a later unit opens it again."""
        self.engine.dispose()

    @contextmanager
    def _unit(self, access: Access) -> Iterator[SqlUnitOfWork]:
        with self.engine.connect().execution_options(access=access) as connection:
            connection.begin()
            yield SqlUnitOfWork(connection)  # closing the connection rolls back what was not committed


def open_database(url: str) -> SqlDatabase:
    """Bring the schema up to date, then give the database. Raises Conflict where a restoration fills it."""
    take_over(url)
    upgrade(url)
    return SqlDatabase(url)
