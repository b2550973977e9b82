"""Maps what SQLite, PostgreSQL and their drivers raise into the tree of `loop.errors`."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Mapping
from pathlib import Path

from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import InterfaceError, StatementError

from loop.errors import BadRequest, Conflict, NotFound, OutOfSpace, SonoloopError, Unavailable

FULL_DISK = OutOfSpace, "a full disk under the database", "room for it", "make room, then try again"
BUSY = Unavailable, "a database that is busy", "its lock within a few seconds", "try again in a moment"
SILENT = Unavailable, "a database that does not answer", "a connection", "start it or wait, then try again"
SHUT = (
    Unavailable,
    "a database file that cannot be opened or written",
    "one on a disk and in a folder that this user may write",
    "see whether the disk is mounted read-only, as one that fails is; then the owner and the permissions",
)
BAD_DISK = Unavailable, "a disk error under the database", "a working disk", "look into the system's log"
NOT_MIGRATED = Unavailable, "a database without our tables", "the present schema", "upgrade it first"
TAKEN = Conflict, "a row whose key is taken", "one row per key", "read again, then decide"
DANGLING = NotFound, "a row that names another one which does not exist", "an existing id", "check the ids"
READ_ONLY = BadRequest, "a change in a unit of work for reading", "a unit for writing", "open it with write()"
FAILED_BEFORE = BadRequest, "work in a unit that has failed before", "a new unit", "leave this one"
BAD_VALUE = BadRequest, "a value that cannot be stored", "a value of the column's type", "check the caller"
APPEND_ONLY = BadRequest, "a change of a row that is append-only", "a new row", "append instead"
FOREIGN_FILE = BadRequest, "a damaged or foreign database file", "an SQLite file", "restore a backup"

NO_ROOM = 1 << 16
"""Free bytes below which a disk is full: SQLite's index of its log grows by 32 KiB, and says "I/O error" of a
disk that has them not.
"""

READING = "read"
"""The access of a unit of work that changes nothing, see `engine.Access`."""

Answer = tuple[type[SonoloopError], str, str, str]

SQLITE_ANSWERS: Mapping[int, Answer] = {
    sqlite3.SQLITE_FULL: FULL_DISK,
    sqlite3.SQLITE_BUSY: BUSY,
    sqlite3.SQLITE_LOCKED: BUSY,
    sqlite3.SQLITE_CANTOPEN: SHUT,
    sqlite3.SQLITE_IOERR: BAD_DISK,
    sqlite3.SQLITE_PROTOCOL: BUSY,
    sqlite3.SQLITE_READONLY: READ_ONLY,
    sqlite3.SQLITE_CONSTRAINT: TAKEN,
    sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY: DANGLING,
    sqlite3.SQLITE_CONSTRAINT_TRIGGER: APPEND_ONLY,
    sqlite3.SQLITE_CONSTRAINT_NOTNULL: BAD_VALUE,
    sqlite3.SQLITE_NOTADB: FOREIGN_FILE,
    sqlite3.SQLITE_CORRUPT: FOREIGN_FILE,
}
"""By extended, else by primary result code (its low byte)."""

POSTGRESQL_ANSWERS: Mapping[str, Answer] = {
    "53100": FULL_DISK,
    "23503": DANGLING,
    "23502": BAD_VALUE,
    "23001": APPEND_ONLY,  # raised by our own trigger
    "25006": READ_ONLY,
    "42P01": NOT_MIGRATED,
    "42703": NOT_MIGRATED,
    "25P02": FAILED_BEFORE,
    "3D000": SILENT,
    "08": SILENT,
    "28": SILENT,
    "53": SILENT,
    "57": SILENT,
    "58": SILENT,
    "40": BUSY,
    "55": BUSY,
    "23": TAKEN,
    "22": BAD_VALUE,
}
"""By SQLSTATE, else by its class (first two characters)."""


def translate(context: ExceptionContext) -> None:
    """Listener for SQLAlchemy's `handle_error`: raises our error from the foreign one.

    A mistake in our own SQL has no answer here and stays as it is.
    """
    foreign = context.original_exception
    if isinstance(foreign, SonoloopError):
        raise foreign
    if isinstance(foreign, OSError) or _is_cut(context):
        context.is_disconnect = True  # what the server still sends would be taken for the next answer
    answer = _answer(foreign, context.sqlalchemy_exception)
    if answer is READ_ONLY and not _is_for_reading(context):
        answer = SHUT
    file = context.engine.url.database if context.engine else None
    if answer is BAD_DISK and file and _is_full(Path(file)):
        answer = FULL_DISK
    if answer is not None:
        kind, got, need, todo = answer
        raise kind(got, need, todo) from foreign


def _is_cut(context: ExceptionContext) -> bool:
    """Whether the connection says of itself that an answer broke off (see `postgresql.Connection`)."""
    connection = context.connection
    if connection is None or connection.closed or connection.invalidated:
        return False
    return getattr(connection.connection.dbapi_connection, "is_cut", False)


def silent_error() -> SonoloopError:
    """What it means that a database let us wait at its door."""
    kind, got, need, todo = SILENT
    return kind(got, need, todo)


def _is_for_reading(context: ExceptionContext) -> bool:
    options = context.connection.get_execution_options() if context.connection else {}
    return options.get("access") == READING


def is_shut(error: SonoloopError) -> bool:
    """Whether waiting will not open the database: the disk, the folder or its permissions are in the way."""
    return error.got == SHUT[1]


def sqlite_error(foreign: sqlite3.Error, *files: Path) -> SonoloopError:
    """What an error of SQLite's own interface means, met at these database files."""
    answer = _sqlite_answer(foreign) or FOREIGN_FILE
    if answer is BAD_DISK and any(map(_is_full, files)):
        answer = FULL_DISK
    kind, got, need, todo = answer
    return kind(got, need, todo)


def _is_full(file: Path) -> bool:
    """Whether the disk under a database file has no room; False where it does not say."""
    try:
        return shutil.disk_usage(file.parent).free < NO_ROOM
    except OSError:
        return False


def _answer(foreign: BaseException, wrapped: StatementError | None) -> Answer | None:
    if isinstance(foreign, sqlite3.Error):
        return _sqlite_answer(foreign)
    if isinstance(fields := next(iter(foreign.args), None), dict):  # pg8000: the server's own answer
        fields.pop("D", None)  # the detail repeats the row, patient and all
        state = str(fields.get("C", ""))
        return POSTGRESQL_ANSWERS.get(state) or POSTGRESQL_ANSWERS.get(state[:2])
    if isinstance(foreign, TypeError | ValueError | OverflowError):
        return BAD_VALUE
    if "in failed transaction block" in str(foreign):  # pg8000, of a commit that can only roll back
        return FAILED_BEFORE
    is_silent = isinstance(foreign, OSError) or isinstance(wrapped, InterfaceError)
    return SILENT if is_silent else None


def _sqlite_answer(foreign: sqlite3.Error) -> Answer | None:
    code: int = getattr(foreign, "sqlite_errorcode", 0)
    if code == sqlite3.SQLITE_ERROR and "no such" in str(foreign):
        return NOT_MIGRATED
    return SQLITE_ANSWERS.get(code) or SQLITE_ANSWERS.get(code & 0xFF)
