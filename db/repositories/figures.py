"""Counts for those who watch a home."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, func, select

from db.models import (
    FrameRow,
    InboxRow,
    MaskVersionRow,
    OutboxRow,
    PredictionRow,
    SetAsideRow,
    TrainingEntryRow,
)
from db.repositories.standing import current_versions, frame_standing, latest_versions
from loop.records import Backlog, Decision


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

    def labels(self, project_id: int) -> Mapping[Decision, int]:
        """Frames by the decision that gave their current mask; SKIPPED: those skipped that have none."""
        current = current_versions(project_id)
        query = select(current.c.decision, func.count()).group_by(current.c.decision)
        counts = {Decision(decision): count for decision, count in self._connection.execute(query)}
        return {**counts, Decision.SKIPPED: self._skipped(project_id)}

    def unread(self, project_id: int, model_version_id: int) -> int:
        """Frames that Label Studio holds a prediction of this version for and nobody has annotated usably."""
        standing = frame_standing(project_id)
        query = (
            select(func.count())
            .select_from(PredictionRow)
            .join(FrameRow, FrameRow.id == PredictionRow.frame_id)
            .outerjoin(standing, standing.c.frame_id == FrameRow.id)
            .where(
                PredictionRow.model_version_id == model_version_id,
                PredictionRow.remote_id.is_not(None),
                FrameRow.project_id == project_id,
                FrameRow.task_id.is_not(None),
                func.coalesce(standing.c.is_labelled, 0) == 0,
            )
        )
        return self._connection.execute(query).scalar_one()

    def newest_label(self, training_set_digest: str) -> datetime | None:
        """When the newest mask of a training set was recorded; None for an unknown or empty one."""
        query = (
            select(func.max(MaskVersionRow.recorded_at))
            .join(TrainingEntryRow, TrainingEntryRow.mask_version_id == MaskVersionRow.id)
            .where(TrainingEntryRow.training_set_digest == training_set_digest)
        )
        return self._connection.execute(query).scalar_one()

    def _skipped(self, project_id: int) -> int:
        latest, current = latest_versions(project_id), current_versions(project_id)
        query = select(func.count(latest.c.frame_id.distinct())).where(
            latest.c.age == 1,
            latest.c.decision == Decision.SKIPPED,
            latest.c.frame_id.not_in(select(current.c.frame_id)),
        )
        return self._connection.execute(query).scalar_one()
