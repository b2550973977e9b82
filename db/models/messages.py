"""Messages from and to Label Studio, and small durable facts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, LongInteger, RowId

IS_PENDING = text("done_at IS NULL")


class InboxRow(Base):
    """A webhook event as received; its key makes a duplicate harmless."""

    __tablename__ = "inbox"
    __table_args__ = (Index("inbox_pending", "id", sqlite_where=IS_PENDING, postgresql_where=IS_PENDING),)

    id: Mapped[RowId]
    key: Mapped[str] = mapped_column(unique=True)
    action: Mapped[str]
    label_studio_project: Mapped[LongInteger | None]
    annotation_ids: Mapped[tuple[int, ...]]
    task_ids: Mapped[tuple[int, ...]]
    received_at: Mapped[datetime]
    done_at: Mapped[datetime | None]
    error: Mapped[str | None]


class OutboxRow(Base):
    """A change that Label Studio must follow."""

    __tablename__ = "outbox"
    __table_args__ = (Index("outbox_pending", "id", sqlite_where=IS_PENDING, postgresql_where=IS_PENDING),)

    id: Mapped[RowId]
    kind: Mapped[str]
    payload: Mapped[Mapping[str, Any]]
    attempts: Mapped[int]
    created_at: Mapped[datetime]
    done_at: Mapped[datetime | None]
    error: Mapped[str | None]


class LeaseRow(Base):
    """A named lease and who holds it until when."""

    __tablename__ = "leases"

    name: Mapped[str] = mapped_column(primary_key=True)
    holder: Mapped[str]
    until: Mapped[datetime]


class CursorRow(Base):
    """How far a reader of a stream has come, in the stream's own words."""

    __tablename__ = "cursors"

    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str]


class SetAsideRow(Base):
    """A piece of input that could not be used, kept once with its newest reason."""

    __tablename__ = "set_aside"
    __table_args__ = (UniqueConstraint("kind", "subject"),)

    id: Mapped[RowId]
    kind: Mapped[str]
    subject: Mapped[str]
    message: Mapped[str]
    at: Mapped[datetime]
    task_id: Mapped[LongInteger | None]
