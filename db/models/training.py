"""Rounds, what they were trained on, what came out, and which version served when."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, LongInteger, RowId
from loop.training_records import RoundState, Split, Verdict

IS_LIVE = text("state IN ('planned', 'training', 'gating')")


class RoundRow(Base):
    """A training round; the partial index leaves room for one live round per project."""

    __tablename__ = "rounds"
    __table_args__ = (
        UniqueConstraint("project_id", "number"),
        Index("one_live_round", "project_id", unique=True, sqlite_where=IS_LIVE, postgresql_where=IS_LIVE),
    )

    id: Mapped[RowId]
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"))
    number: Mapped[int]
    state: Mapped[RoundState]
    reason: Mapped[str]
    seed: Mapped[LongInteger]
    attempt: Mapped[int]
    lease_until: Mapped[datetime | None]
    label_count: Mapped[int]
    training_set_digest: Mapped[str | None] = mapped_column(ForeignKey("training_sets.digest"))
    # The two tables name each other, so this key is added once both exist.
    candidate_id: Mapped[int | None] = mapped_column(ForeignKey("model_versions.id", use_alter=True))
    base: Mapped[str | None]
    is_cancel_requested: Mapped[bool]
    progress: Mapped[Mapping[str, Any]]
    verdict: Mapped[Verdict | None]
    error: Mapped[str | None]
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class TrainingSetRow(Base):
    """A frozen manifest, named by its content."""

    __tablename__ = "training_sets"

    digest: Mapped[str] = mapped_column(primary_key=True)


class TrainingEntryRow(Base):
    """One line of a manifest, at its position."""

    __tablename__ = "training_entries"
    __table_args__ = (Index(None, "training_set_digest", "mask_version_id"),)

    training_set_digest: Mapped[str] = mapped_column(ForeignKey("training_sets.digest"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    frame_id: Mapped[int] = mapped_column(ForeignKey("frames.id"))
    frame_digest: Mapped[str]
    mask_version_id: Mapped[int] = mapped_column(ForeignKey("mask_versions.id"))
    mask_digest: Mapped[str]
    group: Mapped[str]
    split: Mapped[Split]


class ModelVersionRow(Base):
    """A registered network; one round registers the same weights once."""

    __tablename__ = "model_versions"
    __table_args__ = (
        UniqueConstraint("project_id", "number"),
        UniqueConstraint("project_id", "name"),
        UniqueConstraint("round_id", "digest"),
    )

    id: Mapped[RowId]
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"))
    number: Mapped[int]
    name: Mapped[str]
    digest: Mapped[str]
    round_id: Mapped[int | None] = mapped_column(ForeignKey("rounds.id"))
    origin: Mapped[str]
    config: Mapped[Mapping[str, Any]]
    metrics: Mapped[Mapping[str, Any]]
    created_at: Mapped[datetime]
    withdrawn_at: Mapped[datetime | None]


class ServiceRow(Base):
    """One step in the history of the champion's alias."""

    __tablename__ = "service_history"

    id: Mapped[RowId]
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"), index=True)
    model_version_id: Mapped[int] = mapped_column(ForeignKey("model_versions.id"))
    since: Mapped[datetime]
