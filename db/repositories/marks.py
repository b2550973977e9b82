"""Small durable facts: named leases, cursors, and what was set aside."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, or_, select, update

from db.models import CursorRow, LeaseRow, SetAsideRow
from db.repositories.base import Repository, chunks, insert_into
from loop.messages import SetAside


class SqlMarks(Repository[SetAside]):
    """Implements `loop.repositories.Marks`."""

    record, row = SetAside, SetAsideRow

    def acquire(self, name: str, holder: str, *, now: datetime, until: datetime) -> bool:
        """Take or prolong a named lease; False while another holder's is unexpired.

        One that runs twice as far into the future as this one was given by a clock that has been turned back
        since, and holds nobody up.
        """
        taken = {"holder": holder, "until": until}
        upsert = insert_into(self.connection, LeaseRow).values(name=name, **taken)
        statement = upsert.on_conflict_do_update(
            index_elements=["name"],
            set_=taken,
            where=or_(
                LeaseRow.holder == holder, LeaseRow.until <= now, LeaseRow.until > until + (until - now)
            ),
        )
        return self.connection.execute(statement.returning(LeaseRow.name)).first() is not None

    def renew(self, name: str, holder: str, *, until: datetime) -> bool:
        """Prolong a lease that nobody took from its holder, expired or not; False when somebody did, even if
        it was given back since.
        """
        ours = LeaseRow.name == name, LeaseRow.holder == holder
        return self.connection.execute(update(LeaseRow).where(*ours).values(until=until)).rowcount == 1

    def release(self, name: str, holder: str) -> None:
        """Give the lease back; one that another holds stays."""
        self.connection.execute(delete(LeaseRow).where(LeaseRow.name == name, LeaseRow.holder == holder))

    def held_until(self, name: str) -> datetime | None:
        """When a named lease runs out or ran out; None: it was never taken, or released."""
        query = select(LeaseRow.until).where(LeaseRow.name == name)
        return self.connection.execute(query).scalar_one_or_none()

    def cursor(self, name: str) -> str | None:
        """The cursor's value; None before it was first set."""
        return self.connection.execute(
            select(CursorRow.value).where(CursorRow.name == name)
        ).scalar_one_or_none()

    def cursors(self, prefix: str) -> dict[str, str]:
        """The values of all whose name begins so, by the rest of the name."""
        query = select(CursorRow.name, CursorRow.value)
        found = self.connection.execute(query.where(CursorRow.name.startswith(prefix, autoescape=True)))
        return {name.removeprefix(prefix): value for name, value in found}

    def set_cursor(self, name: str, value: str) -> None:
        """Set or replace the cursor's value."""
        statement = insert_into(self.connection, CursorRow).values(name=name, value=value)
        self.connection.execute(
            statement.on_conflict_do_update(index_elements=["name"], set_={"value": value})
        )

    def set_aside(
        self, kind: str, subject: str, message: str, now: datetime, task_id: int | None = None
    ) -> None:
        """Keep a bad input with its reason; one (kind, subject) is kept once, with the newest message."""
        newest = {"message": message, "at": now, "task_id": task_id}
        statement = self.insert().values(kind=kind, subject=subject, **newest)
        self.connection.execute(
            statement.on_conflict_do_update(index_elements=["kind", "subject"], set_=newest)
        )

    def resolve(self, kind: str, subject: str) -> None:
        """Strike it off the list of what was set aside; one that is not there is none."""
        statement = delete(SetAsideRow).where(SetAsideRow.kind == kind, SetAsideRow.subject == subject)
        self.connection.execute(statement)

    def list_set_aside(self) -> list[SetAside]:
        """All, in the order they were first seen."""
        return self.all(self.select().order_by(SetAsideRow.id))

    def set_aside_of(self, kind: str, task_ids: Sequence[int]) -> dict[int, list[str]]:
        """By task its subjects of a kind that lie aside, in the order they were first seen; a task without
        any is left out.
        """
        found: dict[int, list[str]] = {}
        for chunk in chunks(task_ids):
            query = self.select(SetAsideRow.kind == kind, SetAsideRow.task_id.in_(chunk))
            for item in self.all(query.order_by(SetAsideRow.id)):
                found.setdefault(item.task_id or 0, []).append(item.subject)
        return found
