"""Webhook events as received."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, update

from db.models import InboxRow
from db.repositories.base import Repository, chunks
from loop.messages import InboxEvent


class SqlInbox(Repository[InboxEvent]):
    """Implements `loop.repositories.Inbox`."""

    record, row = InboxEvent, InboxRow

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
        """Store; False when the key is there already, done or not."""
        values = {
            "key": key,
            "action": action,
            "label_studio_project": label_studio_project,
            "annotation_ids": annotation_ids,
            "task_ids": task_ids,
            "received_at": now,
        }
        statement = self.insert().values(**values).on_conflict_do_nothing(index_elements=["key"])
        return self.connection.execute(statement.returning(InboxRow.id)).first() is not None

    def has(self, key: str) -> bool:
        """Whether an event of this key was received, done or not."""
        return self.first(self.select(InboxRow.key == key)) is not None

    def forget(self, key: str) -> None:
        """Strike a done event off, so that one of the same key is taken in again; a pending one stays."""
        done = InboxRow.done_at.is_not(None)
        self.connection.execute(delete(InboxRow).where(InboxRow.key == key, done))

    def pending(self, limit: int = 200) -> list[InboxEvent]:
        """Events not yet done, in the order they came."""
        return self.all(self.select(InboxRow.done_at.is_(None)).order_by(InboxRow.id).limit(limit))

    def since(self, at: datetime) -> list[InboxEvent]:
        """Every event that was received at this moment or later, done or not, in the order they came."""
        return self.all(self.select(InboxRow.received_at >= at).order_by(InboxRow.id))

    def mark_done(self, event_id: int, now: datetime, error: str | None = None) -> None:
        """Take the event off the list, with what was wrong with it, if anything. Raises NotFound."""
        self.change(event_id, done_at=now, error=error)

    def mark_all_done(self, event_ids: Sequence[int], now: datetime) -> None:
        """The same for many that were followed; ids that are not there change nothing."""
        for chunk in chunks(event_ids):
            statement = update(InboxRow).where(InboxRow.id.in_(chunk), InboxRow.done_at.is_(None))
            self.connection.execute(statement.values(done_at=now))
