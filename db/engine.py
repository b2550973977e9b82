"""Makes SQLAlchemy engines: addresses, pragmas, how a transaction begins, JSON, and the mapping of errors."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DisconnectionError
from sqlalchemy.pool import ConnectionPoolEntry, NullPool, PoolProxiedConnection

from db.foreign_errors import translate
from db.types import dump_json
from loop.errors import BadRequest

BUSY_SECONDS = 5
"""How long a statement waits for somebody else's lock before it gives up as Unavailable."""


class Access(StrEnum):
    """What a transaction is for; the engine option `access` chooses how it begins."""

    READ = "read"
    WRITE = "write"
    MIGRATE = "migrate"


BEGIN: dict[tuple[str, Access], tuple[str, ...]] = {
    ("sqlite", Access.READ): ("PRAGMA query_only = ON", "BEGIN"),
    # Taking the write lock at once makes a unit wait for its turn instead of failing half way through.
    ("sqlite", Access.WRITE): ("BEGIN IMMEDIATE",),
    # A migration may rebuild a table that others name, and waits for a migration in another process.
    ("sqlite", Access.MIGRATE): (
        "PRAGMA busy_timeout = 60000",
        "PRAGMA journal_mode = WAL",  # kept in the file: readers and the writer never wait for each other
        "PRAGMA foreign_keys = OFF",
        "BEGIN IMMEDIATE",
    ),
    # One snapshot for the whole unit, as SQLite gives it.
    ("postgresql", Access.READ): ("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY",),
    ("postgresql", Access.WRITE): (),
    ("postgresql", Access.MIGRATE): (
        "SET LOCAL lock_timeout = '60s'",
        "SELECT pg_advisory_xact_lock(7366601)",  # any number, as long as every migration takes the same
    ),
}


def make_engine(url: str) -> Engine:
    """An engine that threads may share and that survives a fork; nothing is opened yet.

    An SQLite connection is opened for each unit (1 ms), those of PostgreSQL (30 ms) are pooled.
    Raises BadRequest for an address that is neither an SQLite file nor PostgreSQL.
    """
    address = parse_url(url)
    is_sqlite = sqlite_path(address) is not None
    engine = create_engine(
        address,
        hide_parameters=True,  # an error text must not carry what a clip or a patient is called
        json_serializer=dump_json,
        **(_sqlite_options() if is_sqlite else _postgresql_options()),
    )
    event.listen(engine, "handle_error", translate)
    event.listen(engine, "begin", _begin)
    if is_sqlite:
        event.listen(engine, "connect", _prepare_sqlite)
    else:
        event.listen(engine, "connect", _note_process)
        event.listen(engine, "checkout", _refuse_inherited)
    return engine


def parse_url(url: str) -> URL:
    """The address with its driver; `postgresql://` and `postgres://` mean pg8000. Raises BadRequest."""
    try:
        address = make_url(url)
    except ArgumentError as exc:
        raise BadRequest("a database address that cannot be read", _ADDRESS_NEED) from exc
    if address.drivername in ("postgres", "postgresql"):
        address = address.set(drivername="postgresql+pg8000")
    is_file = address.drivername == "sqlite" and address.database not in (None, "", ":memory:")
    if not is_file and address.drivername != "postgresql+pg8000":
        raise BadRequest(f"a database of the kind {address.drivername!r} without a file", _ADDRESS_NEED)
    return address


def sqlite_path(address: URL) -> Path | None:
    """The database file; None for PostgreSQL."""
    return Path(address.database) if address.drivername == "sqlite" and address.database else None


_ADDRESS_NEED = "sqlite:///path/to/file or postgresql://user:password@host/database"


def _sqlite_options() -> dict[str, Any]:
    return {"poolclass": NullPool, "connect_args": {"timeout": BUSY_SECONDS}}


def _postgresql_options() -> dict[str, Any]:
    limits = {"lock_timeout": f"{BUSY_SECONDS}s", "idle_in_transaction_session_timeout": "60s"}
    arguments = {"application_name": "sonoloop", "startup_params": {"TimeZone": "UTC", **limits}}
    # A ping before use finds connections that a restart has cut; without a limit nobody waits for a turn.
    return {"connect_args": arguments, "pool_pre_ping": True, "max_overflow": -1, "pool_recycle": 1800}


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver must not begin transactions of its own: `_begin` does
    connection.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
    connection.execute("PRAGMA foreign_keys = ON")


def _note_process(_connection: object, pooled: ConnectionPoolEntry) -> None:
    pooled.info["process"] = os.getpid()


def _refuse_inherited(_connection: object, pooled: ConnectionPoolEntry, proxy: PoolProxiedConnection) -> None:
    """A forked process must not speak on its parent's connection: the pool then opens a new one."""
    if pooled.info["process"] != os.getpid():
        pooled.dbapi_connection = proxy.dbapi_connection = None  # type: ignore[misc]
        raise DisconnectionError("opened by the parent process")


def _begin(connection: Connection) -> None:
    access = connection.get_execution_options().get("access", Access.WRITE)
    for statement in BEGIN[connection.dialect.name, access]:
        connection.exec_driver_sql(statement)
