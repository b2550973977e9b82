"""What the loop notes for those who watch it: when it last looked, and what no webhook told of."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from loop.messages import InboxEvent
from loop.ports import Clock, Database, UnitOfWork
from loop.records import Decision, MaskVersion

GRACE = timedelta(seconds=15)
"""How late a webhook may come: Label Studio waits 1 s for an answer, the inbox 5 s for its turn to write."""
MOST_AHEAD = timedelta(seconds=5)
"""By how much Label Studio's clock may be ahead of ours."""
AT_ONCE = 1000
SWEPT = "swept"


def note_swept(uow: UnitOfWork, now: datetime) -> None:
    """Remember that somebody looked for work that nobody holds. The caller commits."""
    uow.marks.set_cursor(SWEPT, now.isoformat())


def last_swept(uow: UnitOfWork) -> datetime | None:
    """When that was last; None: never."""
    return _time(uow.marks.cursor(SWEPT))


def note_reconciled(database: Database, clock: Clock, project_id: int) -> int:
    """Remember that the mirror is whole as of now, and count the mask versions that no webhook told of.

    Returns how many this call has found; each is counted once, 15 s after it was stored at the earliest.
    Deletions are not counted: Label Studio does not say when they happened.
    """
    now = clock()
    with database.read() as uow:
        checked = _number(uow.marks.cursor(_checked_name(project_id)))
        versions = uow.masks.recorded_after(checked, project_id, until=now - GRACE, limit=AT_ONCE)
        events = uow.inbox.since(_earliest(versions)) if versions else []
    told = _last_told(events)
    lost = sum(not _is_announced(version, told) for version in versions)
    with database.write() as uow:
        uow.marks.set_cursor(_reconciled_name(project_id), now.isoformat())
        is_mine = _number(uow.marks.cursor(_checked_name(project_id))) == checked
        if versions and is_mine:  # another worker may have counted the same ones meanwhile
            uow.marks.set_cursor(_checked_name(project_id), str(versions[-1].id))
            uow.marks.set_cursor(_lost_name(project_id), str(lost_webhooks(uow, project_id) + lost))
        uow.commit()
    return lost if is_mine else 0


def last_reconciled(uow: UnitOfWork, project_id: int) -> datetime | None:
    """When the mirror of a project was last whole; None: never."""
    return _time(uow.marks.cursor(_reconciled_name(project_id)))


def lost_webhooks(uow: UnitOfWork, project_id: int) -> int:
    """How many mask versions of a project no webhook has told of so far."""
    return _number(uow.marks.cursor(_lost_name(project_id)))


def _earliest(versions: Iterable[MaskVersion]) -> datetime:
    return min(version.updated_at for version in versions) - MOST_AHEAD


def _last_told(events: Iterable[InboxEvent]) -> dict[int, datetime]:
    """When an event last named an annotation."""
    told: dict[int, datetime] = {}
    for event in events:
        for annotation_id in event.annotation_ids:
            told[annotation_id] = max(event.received_at, told.get(annotation_id, event.received_at))
    return told


def _is_announced(version: MaskVersion, told: dict[int, datetime]) -> bool:
    if version.decision is Decision.DELETED:
        return True
    at = told.get(version.annotation_id)
    return at is not None and at >= version.updated_at - MOST_AHEAD


def _time(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value)


def _number(value: str | None) -> int:
    return int(value or 0)


def _reconciled_name(project_id: int) -> str:
    return f"reconciled-{project_id}"


def _checked_name(project_id: int) -> str:
    return f"webhooks-checked-{project_id}"


def _lost_name(project_id: int) -> str:
    return f"webhooks-lost-{project_id}"
