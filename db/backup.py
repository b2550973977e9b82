"""Copies of whole databases while others write to them, by each database's own means, and the way back."""

from __future__ import annotations

import re
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import URL, ColumnElement, Connection, Select, func, select, text

from adapters.settings import process_environment
from db.engine import Access, make_engine, parse_url, sqlite_path
from db.foreign_errors import sqlite_error
from db.models import FrameRow, MaskVersionRow, ModelVersionRow, PredictionRow, ProjectRow, ServiceRow
from loop.errors import BadInput, BadRequest, Conflict, NotFound, Unavailable

CONNECT_SECONDS = "10"
MOST_SAID = 200
CLIENT_FOLDERS = ("usr/lib/postgresql/*/bin", "usr/pgsql-*/bin", "opt/homebrew/opt/*/bin")
MADE_WITHOUT_FILE = "none"


@dataclass(frozen=True)
class Standing:
    """What must not move between the copies of two databases that belong together: all of it only grows."""

    projects: int
    frames: int
    tasks: int
    versions: int
    services: int


def is_sqlite(url: str) -> bool:
    """Whether the address is that of a file. Raises BadRequest for one that cannot be read."""
    return sqlite_path(parse_url(url)) is not None


def copy_database(url: str, target: Path) -> None:
    """Copy one consistent state into a new file, while others write: SQLite as SQLite, PostgreSQL by pg_dump.

    Raises BadRequest for a damaged database or without a fitting pg_dump, NotFound, Unavailable, OSError.
    """
    require_database(url)
    path = sqlite_path(parse_url(url))
    if path is None:
        _dump(parse_url(url), target)
    else:
        _copy_file(path, target)


def require_database(url: str) -> None:
    """Raises NotFound for an SQLite file that is not there: to open it would make it."""
    path = sqlite_path(parse_url(url))
    if path is not None and not path.is_file():
        raise NotFound("a database file that is not there", "one", "start the home once by ./sonoloop up")


def load_dump(url: str, source: Path) -> None:
    """Fill an empty PostgreSQL database from a dump: all of it or nothing.

    Raises Conflict for a database that holds tables, BadInput for a dump that cannot be read, Unavailable.
    """
    address = parse_url(url)
    require_empty(url)
    # Without comments: that on an extension is its owner's, which the server itself is.
    options = ("--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges", "--no-comments")
    _run("pg_restore", address, *options, "--dbname", address.database or "", str(source))


def require_empty(url: str) -> None:
    """Raises Conflict for a PostgreSQL database that holds tables already, Unavailable."""
    tables = text("SELECT count(*) FROM information_schema.tables WHERE table_schema = current_schema()")
    with _looking(url) as connection:
        count = connection.execute(tables).scalar_one()
    if count:
        raise Conflict(
            f"a PostgreSQL database that holds {count} tables already",
            "an empty one",
            "name a new one by SONOLOOP_DATABASE_URL (createdb makes it)",
        )


def check_file(path: Path) -> None:
    """Let SQLite check a database file. Raises BadRequest for one that is damaged or none."""
    try:
        with closing(sqlite3.connect(path)) as connection:
            (answer,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        raise sqlite_error(error) from error
    if answer != "ok":
        raise BadRequest("a damaged database", "a whole one", "restore a backup of before")


@dataclass(frozen=True)
class Looked:
    """What one look at a database gave: its `kind`, its clock, and what its own check found wrong."""

    kind: str
    now: datetime
    fault: str = ""


def look_over(url: str) -> Looked:
    """Let the database check itself, as far as it can: SQLite all its pages, PostgreSQL that it answers.

    Raises Unavailable, BadRequest for a file that is none.
    """
    with _looking(url) as connection:
        if is_sqlite(url):
            answer = str(connection.execute(text("PRAGMA quick_check(1)")).scalar_one())
            return Looked("SQLite", datetime.now(UTC), "" if answer == "ok" else answer)
        now = connection.execute(text("SELECT now()")).scalar_one()
    return Looked("PostgreSQL", now)


def stand(url: str) -> Standing:
    """How far projects, frames and served versions have come."""
    counted: tuple[ColumnElement[int], ...] = (
        func.count(ProjectRow.label_studio_id),
        func.count(FrameRow.id),
        func.count(FrameRow.task_id),
        func.count(ModelVersionRow.id),
        func.count(ServiceRow.id),
    )
    with _looking(url) as connection:
        return Standing(*(connection.execute(select(each)).scalar_one() for each in counted))


def list_contents(url: str) -> dict[str, set[str]]:
    """The digests of the stored content that rows name, by kind of content."""
    columns: dict[str, list[Select[Any]]] = {
        "frames": [select(FrameRow.digest)],
        "masks": [select(MaskVersionRow.mask_digest), select(PredictionRow.mask_digest)],
        "models": [select(ModelVersionRow.digest).where(ModelVersionRow.origin != MADE_WITHOUT_FILE)],
    }
    with _looking(url) as connection:
        return {
            kind: {digest for each in queries for digest in connection.scalars(each.distinct()) if digest}
            for kind, queries in columns.items()
        }


@contextmanager
def _looking(url: str) -> Iterator[Connection]:
    """A connection for one look at one consistent state; nothing is pooled."""
    engine = make_engine(url).execution_options(access=Access.READ)
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def _copy_file(path: Path, target: Path) -> None:
    """In one step, so that one state is copied; in SQLite's WAL mode nobody waits for it."""
    try:
        with closing(sqlite3.connect(path, timeout=30)) as old, closing(sqlite3.connect(target)) as new:
            old.backup(new)
    except sqlite3.Error as error:
        raise sqlite_error(error) from error
    check_file(target)


def _dump(address: URL, target: Path) -> None:
    _require_fitting_client(address)
    options = ("--format=custom", "--no-owner", "--no-privileges")
    _run("pg_dump", address, *options, "--file", str(target))


def _require_fitting_client(address: URL) -> None:
    """An older pg_dump refuses a newer server, in words that few understand."""
    with _looking(address.render_as_string(hide_password=False)) as connection:
        server = int(connection.execute(text("SHOW server_version_num")).scalar_one()) // 10000
    said = subprocess.run(
        [_client("pg_dump"), "--version"], capture_output=True, text=True, check=False
    ).stdout
    found = re.search(r"(\d+)", said)
    client = int(found[1]) if found else 0
    if client < server:
        raise BadRequest(
            f"pg_dump {client} for a PostgreSQL server {server}",
            f"pg_dump {server} or newer",
            f"install the system's package postgresql-client-{server}",
        )


def _run(name: str, address: URL, *words: str) -> None:
    """Call a client program; where and as whom stand in its environment, which nobody else can read."""
    place = {
        "PGHOST": address.host or "localhost",
        "PGPORT": str(address.port or 5432),
        "PGUSER": address.username or "",
        "PGPASSWORD": str(address.password or ""),
        "PGDATABASE": address.database or "",
        "PGCONNECT_TIMEOUT": CONNECT_SECONDS,
    }
    environment = process_environment({key: value for key, value in place.items() if value})
    command = [_client(name), "--no-password", *words]
    done = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["no reason given"])[0][:MOST_SAID]
        kind = Unavailable if "connection" in said else BadInput
        raise kind(f"{name} that failed: {said}", "a server and a dump that fit", "mend that, try again")


def _client(name: str) -> str:
    """The program of that name on the PATH, else the newest that the system holds. Raises BadRequest."""
    on_path = shutil.which(name)
    if on_path:
        return on_path
    folders = [folder for pattern in CLIENT_FOLDERS for folder in Path("/").glob(pattern)]
    held = [folder / name for folder in sorted(folders, key=_version_in) if (folder / name).exists()]
    if not held:
        raise BadRequest(
            f"no {name} on this machine",
            "PostgreSQL's client programs, of the server's version or newer",
            "install them (Debian, Ubuntu: apt install postgresql-client)",
        )
    return str(held[-1])


def _version_in(folder: Path) -> int:
    return int("".join(filter(str.isdigit, folder.parent.name)) or 0)
