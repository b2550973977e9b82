"""Filling empty PostgreSQL databases from dumps: all those that belong together, or none.

Each is filled in one transaction, but none spans two databases. So each carries a mark from before it is
filled until all that belongs to it is in its place. Where something fails they are emptied again. A killed
process leaves the mark: by it the next restoration knows that nothing in there is anybody's, empties the
database and begins anew, and our own programs leave it alone.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, text

from db.clients import load
from db.engine import make_engine, parse_url, sqlite_path
from loop.errors import Conflict, SonoloopError, Unavailable

MARK = "sonoloop_restoring"
"""A table that holds what was in the database before (kind, name), and `COMPLETE` at the end."""
COMPLETE = "COMPLETE"
APPLICATION = "sonoloop-restore"
LOCK = 7366602
"""Any number, as long as every restoration takes the same."""
END_SECONDS = 20.0
TABLES, OTHERS = ("TABLE", "FOREIGN TABLE", "VIEW", "MATERIALIZED VIEW"), ("SEQUENCE", "ROUTINE", "TYPE")

THINGS = """
SELECT each.kind, each.name FROM (
    SELECT 'pg_class'::regclass AS catalog, c.oid, c.oid::regclass::text AS name,
        CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE'
            WHEN 'f' THEN 'FOREIGN TABLE' ELSE 'TABLE' END AS kind
        FROM pg_class c
        WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
    UNION ALL
    SELECT 'pg_proc'::regclass, p.oid, p.oid::regprocedure::text, 'ROUTINE'
        FROM pg_proc p WHERE p.pronamespace = current_schema()::regnamespace
    UNION ALL
    SELECT 'pg_type'::regclass, t.oid, t.oid::regtype::text, 'TYPE'
        FROM pg_type t LEFT JOIN pg_class c ON c.oid = t.typrelid
        WHERE t.typnamespace = current_schema()::regnamespace
            AND (t.typtype IN ('e', 'd', 'r') OR t.typtype = 'c' AND c.relkind = 'c')
    UNION ALL
    SELECT 'pg_extension'::regclass, e.oid, quote_ident(e.extname), 'EXTENSION' FROM pg_extension e
) each
WHERE NOT EXISTS (
    SELECT 1 FROM pg_depend d WHERE d.classid = each.catalog AND d.objid = each.oid AND d.deptype = 'e'
)
"""
"""What a dump makes: all of the schema but what extensions brought along, and the extensions."""


class Filling:
    """A database that is taken for a restoration."""

    def __init__(self, url: str, connection: Connection) -> None:
        self._url = url
        self._connection = connection

    def load(self, source: Path) -> None:
        """Fill it from a dump, in one transaction. Raises BadInput, BadRequest, Unavailable."""
        load(parse_url(self._url), source, APPLICATION)

    def complete(self) -> None:
        """Note that it holds everything, and so does what belongs to it."""
        done = text(f"INSERT INTO {MARK} VALUES (:kind, '')")  # noqa: S608  # nosec B608
        self._connection.execute(done, {"kind": COMPLETE})


@contextmanager
def filling(url: str, *, is_ours: bool) -> Iterator[Filling]:
    """Take an empty PostgreSQL database for the block, after which it is filled; where the block fails it is
    empty again.

    What a killed restoration left there is removed first; not where somebody has used it since. In ours
    (`is_ours`) nobody can have: see `take_over`. Raises Conflict for a database that holds tables or that
    another restoration has, Unavailable.
    """
    with _taken(url) as connection:
        _end_loads(connection)
        if _is_marked(connection):
            if not is_ours:
                _require_untouched(connection)
            _empty(connection)
        _require_empty(connection)
        connection.execute(text(f"CREATE TABLE {MARK} AS {THINGS}"))
        try:
            yield Filling(url, connection)
        except BaseException:
            with suppress(SonoloopError):  # then the mark stays, for the next one
                _end_loads(connection)
                _empty(connection)
            raise
        with suppress(SonoloopError):  # complete all the same
            _drop(connection, "TABLE", MARK)


def require_whole(url: str) -> None:
    """Raises Conflict for a database that a restoration has not filled to the end, Unavailable."""
    if sqlite_path(parse_url(url)) is None:
        with _statements(url) as connection:
            _is_marked_complete(connection)


def is_marked_complete(url: str) -> bool:
    """Whether a restoration has filled it and nobody has opened it since. Raises Conflict for one that it has
    not filled to the end, Unavailable.
    """
    if sqlite_path(parse_url(url)) is not None:
        return False
    with _statements(url) as connection:
        return _is_marked_complete(connection)


def take_over(url: str) -> None:
    """The same, and from here on no restoration takes the database for its own."""
    if sqlite_path(parse_url(url)) is None:
        with _statements(url) as connection:
            if _is_marked_complete(connection):
                _drop(connection, "TABLE", MARK)


def _require_empty(connection: Connection) -> None:
    found = [kind for kind, _ in _things(connection) if kind in TABLES]
    if found:
        raise Conflict(
            f"a PostgreSQL database that holds {len(found)} tables already",
            "an empty one",
            "name a new one by SONOLOOP_DATABASE_URL (createdb makes it)",
        )


def _require_untouched(connection: Connection) -> None:
    """Raises Conflict where rows were changed since: a dump is loaded in one transaction, whose number each
    row carries.
    """
    writers: set[str] = set()
    for kind, name in _things(connection):
        if kind == "TABLE" and name != MARK:
            asked = f"SELECT DISTINCT xmin::text FROM {_in_text(name)} LIMIT 2"  # noqa: S608  # nosec B608
            writers |= set(connection.scalars(text(asked)))
    if len(writers) > 1:
        raise Conflict(
            "a database that an ended restoration has filled, and somebody has used since",
            "an empty one",
            "save what is needed of it, then make it anew (dropdb, createdb)",
        )


def _empty(connection: Connection) -> None:
    """Remove what was not there before the restoration, and the mark at the very end."""
    marked = text(f"SELECT kind, name FROM {MARK}")  # noqa: S608  # nosec B608
    before = {tuple(row) for row in connection.execute(marked)}
    for kinds in (TABLES, OTHERS, ("EXTENSION",)):
        for kind, name in _things(connection):
            if kind in kinds and (kind, name) not in before and name != MARK:
                _drop(connection, kind, name)
    _drop(connection, "TABLE", MARK)


def _drop(connection: Connection, kind: str, name: str) -> None:
    connection.execute(text(f"DROP {kind} IF EXISTS {_in_text(name)} CASCADE"))


def _in_text(name: str) -> str:
    """A name, quoted by the server, for a statement in which a colon begins a parameter."""
    return name.replace(":", r"\:")


def _things(connection: Connection) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in connection.exec_driver_sql(THINGS)]


def _is_marked(connection: Connection) -> bool:
    return connection.execute(text(f"SELECT to_regclass('{MARK}')")).scalar_one() is not None


def _is_marked_complete(connection: Connection) -> bool:
    """False without a mark; raises Conflict for one that does not say so."""
    if not _is_marked(connection):
        return False
    asked = text(f"SELECT count(*) FROM {MARK} WHERE kind = :kind")  # noqa: S608  # nosec B608
    if not connection.execute(asked, {"kind": COMPLETE}).scalar_one():
        raise Conflict(
            "a database that a restoration is filling, or was when it was ended",
            "all of it",
            "wait for that one; if none runs: ./sonoloop restore FILE again, which begins anew",
        )
    return True


def _end_loads(connection: Connection) -> None:
    """End what a dead restoration's client still does here: it outlives who started it. Raises
    Unavailable.
    """
    asked = text(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() "
        "AND application_name = :name AND usename = current_user AND pid <> pg_backend_pid()"
    )
    until = time.monotonic() + END_SECONDS
    while connection.execute(asked, {"name": APPLICATION}).scalar_one():
        if time.monotonic() > until:
            raise Unavailable(
                "a load of an ended restoration that does not end", "it ended", "try again in a moment"
            )
        time.sleep(0.1)


@contextmanager
def _taken(url: str) -> Iterator[Connection]:
    """A connection by which no other restoration has this database. Raises Conflict, Unavailable."""
    with _statements(url) as connection:
        if not connection.execute(text(f"SELECT pg_try_advisory_lock({LOCK})")).scalar_one():
            raise Conflict("another restoration into the same database", "one at a time", "wait for its end")
        yield connection


@contextmanager
def _statements(url: str) -> Iterator[Connection]:
    """A connection whose statements each stand for themselves: no transaction is open for long."""
    engine = make_engine(url).execution_options(isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()
