"""Counts for those who watch a home."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, case, func, select

from db.models import (
    FrameRow,
    InboxRow,
    MaskVersionRow,
    OutboxRow,
    PredictionRow,
    SetAsideRow,
    TrainingEntryRow,
)
from db.repositories.standing import standing_decisions
from loop.messages import Backlog
from loop.records import Decision, FrameCounts

IS_SHOWN = PredictionRow.remote_id.is_not(None) & FrameRow.task_id.is_not(None)
"""Of a prediction and its frame: Label Studio holds it."""


class SqlFigures:
    """Implements `loop.repositories.Figures`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def inbox(self) -> Backlog:
        """Events not yet followed."""
        query = select(func.count(), func.min(InboxRow.received_at)).where(InboxRow.done_at.is_(None))
        return Backlog(*self._connection.execute(query).one())

    def outbox(self) -> Backlog:
        """Changes that Label Studio has not followed yet."""
        query = select(func.count(), func.min(OutboxRow.created_at)).where(OutboxRow.done_at.is_(None))
        return Backlog(*self._connection.execute(query).one())

    def set_aside(self) -> Mapping[str, int]:
        """How many pieces of input lie aside, by kind."""
        query = select(SetAsideRow.kind, func.count().label("number")).group_by(SetAsideRow.kind)
        return {row.kind: row.number for row in self._connection.execute(query)}

    def frames(self, project_id: int, model_version_id: int | None) -> FrameCounts:
        """How the frames of a project stand; no version: none is unread."""
        standing, version = standing_decisions(project_id), model_version_id or 0
        # Joined row by row: SQLite, before it has counted its tables, scans a subquery here again and again.
        is_same = (PredictionRow.frame_id == FrameRow.id) & (PredictionRow.model_version_id == version)
        query = (
            select(standing.c.decision, func.count(), func.count(case((IS_SHOWN, 1))))
            .join_from(standing, FrameRow, FrameRow.id == standing.c.frame_id)
            .outerjoin(PredictionRow, is_same)
            .group_by(standing.c.decision)
        )
        rows = list(self._connection.execute(query))
        labels: dict[Decision, int] = {decision: count for decision, count, _ in rows}
        labels.pop(Decision.DELETED, None)
        read = sum(count for decision, _, count in rows if decision.is_trainable)
        shown = select(func.count()).select_from(PredictionRow).join(FrameRow).where(IS_SHOWN)
        of_version = PredictionRow.model_version_id == version, FrameRow.project_id == project_id
        unread = self._connection.execute(shown.where(*of_version)).scalar_one() - read
        return FrameCounts(labels, unread)

    def newest_label(self, training_set_digest: str) -> datetime | None:
        """When the newest mask of a training set was recorded; None for an unknown or empty one."""
        query = (
            select(func.max(MaskVersionRow.recorded_at))
            .join(TrainingEntryRow, TrainingEntryRow.mask_version_id == MaskVersionRow.id)
            .where(TrainingEntryRow.training_set_digest == training_set_digest)
        )
        return self._connection.execute(query).scalar_one()
