"""Orderings of the pool: appended, never changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, insert, select

from db.models import SelectionEntryRow, SelectionRow
from db.repositories.base import insert_many
from loop.records import Arm, Selection, SelectionEntry

HEAD = (
    SelectionRow.id,
    SelectionRow.project_id,
    SelectionRow.model_version_id,
    SelectionRow.strategy,
    SelectionRow.seed,
    SelectionRow.created_at,
)


class SqlSelections:
    """Implements `loop.repositories.Selections`."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def add(
        self,
        project_id: int,
        model_version_id: int,
        *,
        strategy: str,
        seed: int,
        entries: Sequence[SelectionEntry],
        now: datetime,
    ) -> Selection:
        """Store an ordering; it may be empty. Raises NotFound, and Conflict when two entries share a rank."""
        values = {
            "project_id": project_id,
            "model_version_id": model_version_id,
            "strategy": strategy,
            "seed": seed,
            "created_at": now,
        }
        head = self.connection.execute(insert(SelectionRow).values(**values).returning(*HEAD)).one()
        if entries:
            rows = [asdict(entry) | {"selection_id": head.id} for entry in entries]
            insert_many(self.connection, SelectionEntryRow, rows)
        return _selection(head._asdict(), entries)

    def latest(self, project_id: int) -> Selection | None:
        """The newest of the project with its entries by rank, if any."""
        query = select(*HEAD).where(SelectionRow.project_id == project_id)
        head = self.connection.execute(query.order_by(SelectionRow.id.desc()).limit(1)).first()
        if head is None:
            return None
        columns = [getattr(SelectionEntryRow, field.name) for field in fields(SelectionEntry)]
        own = select(*columns).where(SelectionEntryRow.selection_id == head.id)
        rows = self.connection.execute(own.order_by(SelectionEntryRow.rank))
        return _selection(head._asdict(), [SelectionEntry(*row) for row in rows])

    def arms(self, project_id: int) -> dict[int, Arm]:
        """Frame id to its arm in the newest Selection that holds the frame: for a labelled one that by which
        it was read, since the later ones leave it out.
        """
        newest = (
            select(SelectionEntryRow.frame_id, func.max(SelectionEntryRow.selection_id).label("selection_id"))
            .join(SelectionRow, SelectionRow.id == SelectionEntryRow.selection_id)
            .where(SelectionRow.project_id == project_id)
            .group_by(SelectionEntryRow.frame_id)
            .subquery()
        )
        is_newest = (SelectionEntryRow.selection_id == newest.c.selection_id) & (
            SelectionEntryRow.frame_id == newest.c.frame_id
        )
        query = select(SelectionEntryRow.frame_id, SelectionEntryRow.arm).join(newest, is_newest)
        return {row.frame_id: row.arm for row in self.connection.execute(query)}

    def count(self, project_id: int) -> int:
        """How many the project has had."""
        query = select(func.count()).where(SelectionRow.project_id == project_id)
        return self.connection.execute(query).scalar_one()


def _selection(head: Mapping[str, Any], entries: Sequence[SelectionEntry]) -> Selection:
    ordered = tuple(sorted(entries, key=lambda entry: entry.rank))
    return Selection(**head, entries=ordered)
