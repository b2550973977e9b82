"""Locks that make two units of work take turns."""

from __future__ import annotations

from sqlalchemy import Connection, select

from db.models import ProjectRow
from db.repositories.base import missing


def lock_project(connection: Connection, project_id: int) -> None:
    """Hold the project's row until the unit ends, so that numbers within it are given one at a time.

    SQLite has one writer anyway and ignores the clause; in PostgreSQL rows that only name the project can
    still be added. Raises NotFound.
    """
    query = select(ProjectRow.id).where(ProjectRow.id == project_id).with_for_update(key_share=True)
    if connection.execute(query).first() is None:
        raise missing("Project", project_id)
