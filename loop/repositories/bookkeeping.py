"""Repositories of what has to be done, is held, or lies aside, and of the counts of all that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from loop.messages import Backlog, InboxEvent, OutboxMessage, SetAside
from loop.records import FrameCounts


class Inbox(Protocol):
    """Webhook events as received."""

    def add(
        self,
        *,
        key: str,
        action: str,
        label_studio_project: int | None,
        annotation_ids: Sequence[int],
        task_ids: Sequence[int],
        now: datetime,
    ) -> bool:
        """Store; False when the key is there already."""

    def has(self, key: str) -> bool: ...
    def forget(self, key: str) -> None:
        """Strike a done event off, so that one of the same key is taken in again; others stay."""

    def pending(self, limit: int = 200) -> list[InboxEvent]: ...
    def since(self, at: datetime) -> list[InboxEvent]:
        """Every event that was received at this moment or later, done or not, in the order they came."""

    def mark_done(self, event_id: int, now: datetime, error: str | None = None) -> None: ...
    def mark_all_done(self, event_ids: Sequence[int], now: datetime) -> None:
        """The same for many that were followed; ids that are not there change nothing."""


class Outbox(Protocol):
    """Changes that Label Studio must follow, applied in order and idempotently."""

    def add(self, kind: str, payload: Mapping[str, Any], now: datetime) -> OutboxMessage: ...
    def pending(self) -> list[OutboxMessage]: ...
    def mark_done(self, message_id: int, now: datetime) -> None: ...
    def mark_failed(self, message_id: int, error: str) -> None: ...


class Marks(Protocol):
    """Small durable facts: named leases, cursors, and what was set aside."""

    def acquire(self, name: str, holder: str, *, now: datetime, until: datetime) -> bool:
        """Take or prolong a named lease; False while another holder's is unexpired. One twice as long as this
        is of a clock that was turned back, and void.
        """

    def renew(self, name: str, holder: str, *, until: datetime) -> bool:
        """Prolong a lease that nobody took from its holder, expired or not; False when somebody did, even if
        it was given back since.
        """

    def release(self, name: str, holder: str) -> None: ...
    def held_until(self, name: str) -> datetime | None:
        """When a named lease runs out or ran out; None: it was never taken, or released."""

    def cursor(self, name: str) -> str | None: ...
    def cursors(self, prefix: str) -> Mapping[str, str]:
        """The values of all whose name begins so, by the rest of the name."""

    def set_cursor(self, name: str, value: str) -> None: ...
    def set_aside(
        self, kind: str, subject: str, message: str, now: datetime, task_id: int | None = None
    ) -> None:
        """Keep a bad input with its reason; the same (kind, subject) is kept once, with the newest."""

    def resolve(self, kind: str, subject: str) -> None:
        """Strike it off the list of what was set aside; one that is not there is none."""

    def list_set_aside(self) -> list[SetAside]: ...
    def set_aside_of(self, kind: str, task_ids: Sequence[int]) -> Mapping[int, Sequence[str]]:
        """By task its subjects of a kind that lie aside; a task without any is left out."""


class Figures(Protocol):
    """Counts for those who watch a home: few rows to read, however many frames there are."""

    def inbox(self) -> Backlog: ...
    def outbox(self) -> Backlog: ...
    def set_aside(self) -> Mapping[str, int]:
        """How many pieces of input lie aside, by kind."""

    def frames(self, project_id: int, model_version_id: int | None) -> FrameCounts:
        """How the frames of a project stand, `unread` by the predictions of this version."""

    def newest_label(self, training_set_digest: str) -> datetime | None:
        """When the newest mask of a training set was recorded; None for an unknown or empty one."""
