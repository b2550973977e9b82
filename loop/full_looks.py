"""When the mirror is compared with all of Label Studio: by what the database remembers, since a laptop may
sleep at any fixed hour of the night.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from loop.ports import UnitOfWork

EVERY = timedelta(hours=24)
NEVER = datetime.min.replace(tzinfo=UTC)


def is_due(uow: UnitOfWork, project_id: int, now: datetime) -> bool:
    """Once a day, and when the last look was in the future: a clock was turned back."""
    last = uow.marks.cursor(_name(project_id))
    return last is None or not now - EVERY <= datetime.fromisoformat(last) <= now


def note(uow: UnitOfWork, project_id: int, at: datetime) -> None:
    """Remember a look at everything; `NEVER`: let the next look be one. The caller commits."""
    uow.marks.set_cursor(_name(project_id), at.isoformat())


def _name(project_id: int) -> str:
    return f"full-look-{project_id}"
