"""Makes SQLAlchemy engines: addresses, pragmas, how a transaction begins, JSON, and the mapping of errors."""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import QueuePool

from db import postgresql
from db.foreign_errors import translate
from db.types import dump_json
from loop.errors import BadRequest

BUSY_SECONDS = 5
"""How long a statement waits for somebody else's lock before it gives up as Unavailable."""

KEPT_CONNECTIONS = 20
"""As many as a server of ours has threads, and a few more: a connection beyond them is opened and closed
again for every unit, and 16 that log in at once, in Python, keep a webhook waiting for half a second.
"""

MIGRATE_SECONDS = 60
"""How long a migration waits for one in another process."""


class Access(StrEnum):
    """What a transaction is for; the engine option `access` chooses how it begins."""

    READ = "read"
    WRITE = "write"
    NOTE = "note"
    MIGRATE = "migrate"


BEGIN: dict[tuple[str, Access], tuple[str, ...]] = {
    ("sqlite", Access.READ): ("PRAGMA query_only = ON", "BEGIN"),
    # Taking the write lock at once makes a unit wait for its turn instead of failing half way through.
    ("sqlite", Access.WRITE): ("PRAGMA query_only = OFF", "PRAGMA synchronous = FULL", "BEGIN IMMEDIATE"),
    # The commit is whole and others see it, but it does not wait for the disk, which can take a second.
    ("sqlite", Access.NOTE): ("PRAGMA query_only = OFF", "PRAGMA synchronous = NORMAL", "BEGIN IMMEDIATE"),
    # A migration may rebuild a table that others name, and waits for a migration in another process.
    ("sqlite", Access.MIGRATE): (
        f"PRAGMA busy_timeout = {MIGRATE_SECONDS * 1000}",
        "PRAGMA journal_mode = WAL",  # kept in the file: readers and the writer never wait for each other
        "PRAGMA foreign_keys = OFF",
        "BEGIN IMMEDIATE",
    ),
    # One snapshot for the whole unit, as SQLite gives it.
    ("postgresql", Access.READ): ("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY",),
    ("postgresql", Access.WRITE): ("BEGIN",),
    ("postgresql", Access.NOTE): ("BEGIN; SET LOCAL synchronous_commit = off",),
    ("postgresql", Access.MIGRATE): (
        "BEGIN",
        f"SET LOCAL lock_timeout = '{MIGRATE_SECONDS}s'",
        "SELECT pg_advisory_xact_lock(7366601)",  # any number, as long as every migration takes the same
    ),
}


def make_engine(url: str) -> Engine:
    """An engine that threads may share and that survives a fork; nothing is opened yet.

    Connections are pooled: PostgreSQL takes 30 ms to open one, and closing the last makes SQLite copy a log.
    Idle ones are closed before the process forks, because an inherited one can harm either database.
    Raises BadRequest for an address that is neither an SQLite file nor PostgreSQL.
    """
    address = parse_url(url)
    engine = create_engine(
        address,
        hide_parameters=True,  # an error text must not carry what a clip or a patient is called
        json_serializer=dump_json,
        poolclass=QueuePool,
        pool_size=KEPT_CONNECTIONS,
        max_overflow=-1,  # without a limit nobody waits for a turn
        connect_args=_sqlite_arguments() if sqlite_path(address) else _postgresql_arguments(),
    )
    event.listen(engine, "handle_error", translate)
    event.listen(engine, "begin", _begin)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
    else:
        postgresql.prepare(engine)
    os.register_at_fork(before=partial(_close_idle, weakref.ref(engine)))
    return engine


@contextmanager
def looking(url: str) -> Iterator[Connection]:
    """A connection for one look at one consistent state; nothing is pooled. Raises Unavailable."""
    engine = make_engine(url).execution_options(access=Access.READ)
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def parse_url(url: str) -> URL:
    """The address with its driver; `postgresql://` and `postgres://` mean pg8000. Raises BadRequest."""
    try:
        address = make_url(url)
    except ArgumentError as exc:
        raise BadRequest("a database address that cannot be read", _ADDRESS_NEED, _ADDRESS_TODO) from exc
    if address.drivername in ("postgres", "postgresql"):
        address = address.set(drivername="postgresql+pg8000")
    is_file = address.drivername == "sqlite" and address.database not in (None, "", ":memory:")
    if not is_file and address.drivername != "postgresql+pg8000":
        got = f"a database of the kind {address.drivername!r} without a file"
        raise BadRequest(got, _ADDRESS_NEED, _ADDRESS_TODO)
    return address


def sqlite_path(address: URL) -> Path | None:
    """The database file; None for PostgreSQL."""
    return Path(address.database) if address.drivername == "sqlite" and address.database else None


_ADDRESS_NEED = "sqlite:///path/to/file or postgresql://user:password@host/database"
_ADDRESS_TODO = "mend SONOLOOP_DATABASE_URL; left out, it means a file in the home"


def _sqlite_arguments() -> dict[str, Any]:
    return {"timeout": BUSY_SECONDS, "check_same_thread": False}  # the pool hands it to one thread at a time


def _postgresql_arguments() -> dict[str, Any]:
    limits = {"lock_timeout": f"{BUSY_SECONDS}s", "idle_in_transaction_session_timeout": "60s"}
    said = {"application_name": "sonoloop", "startup_params": {"TimeZone": "UTC", **limits}}
    return {**said, "timeout": postgresql.LOGIN_SECONDS}


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver must not begin transactions of its own: `_begin` does
    connection.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
    connection.execute("PRAGMA foreign_keys = ON")


def _close_idle(reference: weakref.ref[Engine]) -> None:
    engine = reference()
    if engine is not None:
        engine.dispose()


def _begin(connection: Connection) -> None:
    access = connection.get_execution_options().get("access", Access.WRITE)
    first, *others = BEGIN[connection.dialect.name, access]
    driver = connection.connection.dbapi_connection
    if isinstance(driver, postgresql.Connection) and driver.autocommit:
        return  # each statement is to stand for itself
    with driver.beginning() if isinstance(driver, postgresql.Connection) else nullcontext():
        connection.exec_driver_sql(first)
    for statement in others:
        connection.exec_driver_sql(statement)
