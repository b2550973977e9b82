"""What comes in, goes out, waits and is set aside, as frozen values. See `loop.records` for ids and times."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class InboxEvent:
    """One webhook event as received; its key makes a duplicate harmless."""

    id: int
    key: str
    action: str
    label_studio_project: int | None
    annotation_ids: tuple[int, ...]
    task_ids: tuple[int, ...]
    received_at: datetime


@dataclass(frozen=True)
class OutboxMessage:
    """A change that Label Studio must follow, written in the same transaction as its cause."""

    id: int
    kind: str
    payload: Mapping[str, Any]
    attempts: int


BAD_ANNOTATION = "annotation"
"""The kind of input set aside that is a label whose newest state cannot be read; its subject is the
annotation's id.
"""

DELETED_TASK = "deleted-task"
"""The same of a frame whose task was deleted in Label Studio; its subject is the frame's digest."""


@dataclass(frozen=True)
class SetAside:
    """A piece of input that could not be used, kept with its reason; `subject` is an id or digest, never a
    file name; `task_id` is Label Studio's, where it belongs to a task.
    """

    id: int
    kind: str
    subject: str
    message: str
    at: datetime
    task_id: int | None = None


@dataclass(frozen=True)
class Backlog:
    """What waits to be worked off; `oldest` is when the first of it came, None with nothing waiting."""

    pending: int
    oldest: datetime | None
