"""Copies of whole databases while others write to them, by each database's own means. The way back of
PostgreSQL's is `db.filling`.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select, text

from db.clients import dump
from db.engine import looking, parse_url, sqlite_path
from db.filling import MARK, require_whole
from db.foreign_errors import sqlite_error
from db.models import FrameRow, MaskVersionRow, ModelVersionRow, PredictionRow, ProjectRow, ServiceRow
from loop.errors import BadRequest, NotFound

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

    Raises BadRequest for a damaged database or without a fitting pg_dump, Conflict for one that a restoration
    has not filled to the end, NotFound, Unavailable, OSError.
    """
    require_database(url)
    require_whole(url)
    path = sqlite_path(parse_url(url))
    if path is None:
        dump(parse_url(url), target, f"--exclude-table={MARK}")
    else:
        _copy_file(path, target)


def require_database(url: str) -> None:
    """Raises NotFound for an SQLite file that is not there: to open it would make it."""
    path = sqlite_path(parse_url(url))
    if path is not None and not path.is_file():
        raise NotFound("a database file that is not there", "one", "start the home once by ./sonoloop up")


def check_file(path: Path) -> None:
    """Let SQLite check a database file. Raises BadRequest for one that is damaged or none."""
    try:
        with closing(sqlite3.connect(path)) as connection:
            (answer,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        raise sqlite_error(error, path) from error
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
    with looking(url) as connection:
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
    with looking(url) as connection:
        return Standing(*(connection.execute(select(each)).scalar_one() for each in counted))


def list_contents(url: str) -> dict[str, set[str]]:
    """The digests of the stored content that rows name, by kind of content."""
    columns: dict[str, list[Select[Any]]] = {
        "frames": [select(FrameRow.digest)],
        "masks": [select(MaskVersionRow.mask_digest), select(PredictionRow.mask_digest)],
        "models": [select(ModelVersionRow.digest).where(ModelVersionRow.origin != MADE_WITHOUT_FILE)],
    }
    with looking(url) as connection:
        return {
            kind: {digest for each in queries for digest in connection.scalars(each.distinct()) if digest}
            for kind, queries in columns.items()
        }


def _copy_file(path: Path, target: Path) -> None:
    """In one step, so that one state is copied; in SQLite's WAL mode nobody waits for it."""
    try:
        with closing(sqlite3.connect(path, timeout=30)) as old, closing(sqlite3.connect(target)) as new:
            old.backup(new)
    except sqlite3.Error as error:
        raise sqlite_error(error, path, target) from error
    check_file(target)
