"""Changes that Label Studio must follow."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import insert

from db.models import OutboxRow
from db.repositories.base import Repository
from loop.messages import OutboxMessage


class SqlOutbox(Repository[OutboxMessage]):
    """Implements `loop.repositories.Outbox`."""

    record, row = OutboxMessage, OutboxRow

    def add(self, kind: str, payload: Mapping[str, Any], now: datetime) -> OutboxMessage:
        """Append a message."""
        values = {"kind": kind, "payload": payload, "attempts": 0, "created_at": now}
        statement = insert(OutboxRow).values(**values).returning(*self.columns)
        return OutboxMessage(*self.connection.execute(statement).one())

    def pending(self) -> list[OutboxMessage]:
        """Messages not yet applied, oldest first, those that failed before included."""
        return self.all(self.select(OutboxRow.done_at.is_(None)).order_by(OutboxRow.id))

    def mark_done(self, message_id: int, now: datetime) -> None:
        """Raises NotFound."""
        self.change(message_id, done_at=now, error=None)

    def mark_failed(self, message_id: int, error: str) -> None:
        """Count the attempt and keep its error; the message stays pending. Raises NotFound."""
        self.change(message_id, attempts=OutboxRow.attempts + 1, error=error)
