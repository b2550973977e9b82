"""What was drawn on frames, by models and by readers, and in which order frames are served."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, LongInteger, RowId
from loop.records import Arm, Decision, Purpose


class PredictionRow(Base):
    """What one model version drew on one frame."""

    __tablename__ = "predictions"
    __table_args__ = (UniqueConstraint("frame_id", "model_version_id"),)

    id: Mapped[RowId]
    frame_id: Mapped[int] = mapped_column(ForeignKey("frames.id"))
    model_version_id: Mapped[int] = mapped_column(ForeignKey("model_versions.id"), index=True)
    purpose: Mapped[Purpose]
    mask_digest: Mapped[str | None]
    uncertainty: Mapped[float | None]
    place: Mapped[float | None]
    remote_id: Mapped[LongInteger | None] = mapped_column(unique=True)


class MaskVersionRow(Base):
    """One state of one annotation; a trigger refuses every update and delete."""

    __tablename__ = "mask_versions"
    __table_args__ = (UniqueConstraint("annotation_id", "updated_at", "is_tombstone"),)

    id: Mapped[RowId]
    frame_id: Mapped[int] = mapped_column(ForeignKey("frames.id"), index=True)
    annotation_id: Mapped[LongInteger]
    updated_at: Mapped[datetime]
    is_tombstone: Mapped[bool]
    reader_id: Mapped[int | None] = mapped_column(ForeignKey("readers.id"))
    decision: Mapped[Decision]
    mask_digest: Mapped[str | None]
    seconds: Mapped[float | None]
    proposal_id: Mapped[int | None] = mapped_column(ForeignKey("predictions.id"))
    dice_to_proposal: Mapped[float | None]
    is_simulated: Mapped[bool]
    recorded_at: Mapped[datetime]


class SelectionRow(Base):
    """A seeded ordering of the pool for one model version."""

    __tablename__ = "selections"

    id: Mapped[RowId]
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"), index=True)
    model_version_id: Mapped[int] = mapped_column(ForeignKey("model_versions.id"))
    strategy: Mapped[str]
    seed: Mapped[LongInteger]
    created_at: Mapped[datetime]


class SelectionEntryRow(Base):
    """One frame's place in a selection."""

    __tablename__ = "selection_entries"

    selection_id: Mapped[int] = mapped_column(ForeignKey("selections.id"), primary_key=True)
    rank: Mapped[int] = mapped_column(primary_key=True)
    frame_id: Mapped[int] = mapped_column(ForeignKey("frames.id"))
    arm: Mapped[Arm]
    uncertainty: Mapped[float | None]
