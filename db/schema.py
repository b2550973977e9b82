"""Brings a database to the present schema with Alembic; several processes may try at once, and again."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine

from db.engine import MIGRATE_SECONDS, Access, make_engine, sqlite_path
from db.foreign_errors import is_shut
from loop.errors import BadRequest, Unavailable

if TYPE_CHECKING:
    from alembic.config import Config

# Alembic takes as long to import as all of SQLAlchemy, and a look at the database needs none of it: so it is
# imported where it is used.

MIGRATIONS = Path(__file__).parent / "migrations"


def upgrade(url: str, revision: str = "head") -> None:
    """Run the missing migrations in one transaction: all of them or none.

    A second call finds nothing to do; a call in another process waits for the first. The folder of an SQLite
    file is made when missing. Raises BadRequest for a database that a newer Sonoloop made, Unavailable.
    """
    from alembic import command
    from alembic.util.exc import CommandError

    with migrating(url) as connection:
        try:
            command.upgrade(_config(connection), revision)
        except CommandError as exc:
            need = "one of this version or an older one"
            raise BadRequest("a database that a newer Sonoloop made", need, "update Sonoloop") from exc


def downgrade(url: str, revision: str) -> None:
    """Go back to an older schema in one transaction, for a program of that age; what it had no place for is
    lost, labels never are.

    Raises BadRequest for a revision that is not below the present one or that has no place for labels,
    Unavailable.
    """
    from alembic import command
    from alembic.util.exc import CommandError

    with migrating(url) as connection:
        try:
            command.downgrade(_config(connection), revision)
        except CommandError as exc:
            raise BadRequest(
                f"no way back to revision {revision} ({exc})",
                "an older revision that has a place for every label",
                "restore a backup instead",
            ) from exc


def known_revisions() -> set[str]:
    """The revisions of the schema that this Sonoloop can bring up to the present one."""
    return {path.name.split("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*.py")}


def current(url: str) -> str | None:
    """The revision that the database is at; None before the first upgrade."""
    from alembic.runtime.migration import MigrationContext

    engine = make_engine(url).execution_options(access=Access.READ)
    try:
        with engine.connect() as connection:
            return MigrationContext.configure(connection).get_current_revision()
    finally:
        engine.dispose()


@contextmanager
def migrating(url: str) -> Iterator[Connection]:
    """One transaction that holds the schema's lock, committed unless the block raises."""
    engine = make_engine(url).execution_options(access=Access.MIGRATE)
    path = sqlite_path(engine.url)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with _begun(engine) as connection:
            yield connection
            _check_references(connection)
            connection.commit()
    finally:
        engine.dispose()


def _begun(engine: Engine) -> Connection:
    """A connection whose transaction has begun.

    Two processes that open a new SQLite file at once can meet while one of them switches its journal; SQLite
    refuses the other at once then, without waiting. So it asks again.
    """
    until = time.monotonic() + MIGRATE_SECONDS
    while True:
        connection = engine.connect()
        try:
            connection.begin()
        except Unavailable as error:
            connection.close()
            if is_shut(error) or time.monotonic() > until:
                raise
            time.sleep(random.uniform(0.01, 0.1))
        else:
            return connection


def _check_references(connection: Connection) -> None:
    """SQLite checks no foreign key while a migration runs, so look before the commit."""
    if connection.dialect.name == "sqlite" and connection.exec_driver_sql("PRAGMA foreign_key_check").first():
        raise BadRequest("rows that name others which do not exist", "a whole database", "restore a backup")


def _config(connection: Connection) -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
