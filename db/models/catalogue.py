"""Projects, frames and the people who read them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, LongInteger, RowId


class ProjectRow(Base):
    """A labelling project; `champion_id` is the alias that promotion and rollback move."""

    __tablename__ = "projects"

    id: Mapped[RowId]
    title: Mapped[str]
    classes: Mapped[tuple[str, ...]]
    label_studio_id: Mapped[LongInteger | None] = mapped_column(unique=True)
    # The two tables name each other, so this key is added once both exist.
    champion_id: Mapped[int | None] = mapped_column(ForeignKey("model_versions.id", use_alter=True))
    settings: Mapped[Mapping[str, Any]]


class FrameRow(Base):
    """An imported frame; its pixels are unique within the project, its task within Label Studio."""

    __tablename__ = "frames"
    __table_args__ = (UniqueConstraint("project_id", "digest"),)

    id: Mapped[RowId]
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"))
    digest: Mapped[str]
    width: Mapped[int]
    height: Mapped[int]
    clip: Mapped[str]
    patient: Mapped[str | None]
    is_held_out: Mapped[bool]
    task_id: Mapped[LongInteger | None] = mapped_column(unique=True)
    imported_at: Mapped[datetime]


class ReaderRow(Base):
    """Someone who annotates."""

    __tablename__ = "readers"

    id: Mapped[RowId]
    user_id: Mapped[LongInteger] = mapped_column(unique=True)
    is_simulated: Mapped[bool]
