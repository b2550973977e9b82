"""Following Label Studio: the webhook's inbox and the reconciler, which both end in
`loop.mirror.ingest_annotation`.

A webhook is only a hint about ids. What is stored is always what the API says, so that duplicated, reordered,
stale or forged events lead to the same rows.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import islice

from loop.errors import BadRequest, Denied, NotFound, SonoloopError, Unavailable
from loop.events import ANNOTATION_WRITES, DELETIONS, Event
from loop.listing import follow_page, has_task, refresh_annotation
from loop.messages import BAD_ANNOTATION, DELETED_TASK, InboxEvent
from loop.mirror import Ingested, IngestPorts, Tally, append_tombstone
from loop.ports import UnitOfWork
from loop.records import Project
from loop.remote import RemoteTask

BATCH = 200
BURST, MANY = 20, 10_000
"""From so many waiting events on they are followed together, so many at once."""
MOST_BEHIND = timedelta(minutes=1)
"""By how much Label Studio's clock may be behind ours; events that it then hides are followed one by one."""
PAGE = 100
OVERLAP = timedelta(minutes=5)


def keep_event(uow: UnitOfWork, event: Event, now: datetime) -> bool:
    """Keep a webhook's event in the inbox; False for a duplicate. The caller commits."""
    if event.action in DELETIONS:
        # These carry no time, and Label Studio on SQLite gives the number of a deleted task to the next one:
        # an event that was followed already must not hide a second deletion. Following one twice is harmless.
        uow.inbox.forget(event.key)
    return uow.inbox.add(
        key=event.key,
        action=event.action,
        label_studio_project=event.label_studio_project,
        annotation_ids=event.annotation_ids,
        task_ids=event.task_ids,
        now=now,
    )


def drain_inbox(ports: IngestPorts) -> Tally:
    """Bring the mirror up to date with everything that the inbox names, oldest first.

    Raises Unavailable when Label Studio or the storage does not answer: that event and the later ones stay
    pending.
    """
    tally: Tally = Counter()
    while events := _pending(ports):
        if len(events) >= BURST:
            tally += _follow_together(ports)
            events = _pending(ports)
        for event in events:
            tally += _follow_event(ports, event)
    return tally


def reconcile(ports: IngestPorts, project_id: int, *, full: bool = False) -> Tally:
    """Mirror what changed in Label Studio since the last look, with five minutes of overlap, and what is gone
    there; `full`: look at everything, as is done too when the last look was in the future: a clock was turned
    back.

    The cursor moves on page by page, only behind what is mirrored. Raises Unavailable (the next call goes on
    from the cursor), BadRequest for a project that Label Studio does not have yet.
    """
    with ports.database.read() as uow:
        project = uow.projects.get(project_id)
        cursor = uow.marks.cursor(_cursor_name(project_id))
    remote_id = _remote_id(project)
    last = None if cursor is None else datetime.fromisoformat(cursor)
    is_whole = full or last is None or last > ports.clock()
    since = None if is_whole or last is None else last - OVERLAP
    tally: Tally = Counter()
    for page in _pages(ports.label_studio.tasks_changed_since(remote_id, since)):
        tally += follow_page(ports, project, page)
        _advance(ports, project_id, max(task.updated_at for task in page))
    return tally + _bury_missing(ports, project, remote_id)


def refresh_task(ports: IngestPorts, task_id: int) -> Tally:
    """If Label Studio no longer has a task: tombstones for its annotations, a note, and a frame without a
    task.
    """
    with ports.database.read() as uow:
        frame = uow.frames.find_by_task(task_id)
    if frame is None or has_task(ports.label_studio, task_id):
        return Counter()
    with ports.database.write() as uow:
        annotations = sorted({version.annotation_id for version in uow.masks.history(frame.id)})
        buried = sum(append_tombstone(uow, annotation_id, ports.clock()) for annotation_id in annotations)
        for subject in uow.marks.set_aside_of(BAD_ANNOTATION, [task_id]).get(task_id, ()):
            uow.marks.resolve(BAD_ANNOTATION, subject)
        uow.frames.set_tasks({frame.id: None})
        message = (
            f"task {task_id} of frame {frame.id} was deleted in Label Studio; add the frame again to label it"
        )
        uow.marks.set_aside(DELETED_TASK, frame.digest, message, ports.clock())
        uow.commit()
    return Counter({Ingested.BURIED: buried})


def _pending(ports: IngestPorts, limit: int = BATCH) -> list[InboxEvent]:
    with ports.database.read() as uow:
        return uow.inbox.pending(limit)


def _follow_together(ports: IngestPorts) -> Tally:
    """Follow many written annotations by listing the tasks that changed since the first event: a hundred in
    one call, where they would take a hundred.

    An event is done when the list, asked for after it, held what it names; the others stay pending.
    """
    of_project: defaultdict[int, list[InboxEvent]] = defaultdict(list)
    for event in _pending(ports, MANY):
        if event.action in ANNOTATION_WRITES and event.label_studio_project is not None:
            of_project[event.label_studio_project].append(event)
    tally: Tally = Counter()
    for remote_id, events in of_project.items():
        with ports.database.read() as uow:
            project = uow.projects.find_by_label_studio_id(remote_id)
        if project is None or len(events) < BURST:
            continue
        with suppress(BadRequest, NotFound):  # such as a project that is gone: one by one it is noted
            tally += _follow_changes(ports, project, remote_id, events)
    return tally


def _follow_changes(ports: IngestPorts, project: Project, remote_id: int, events: list[InboxEvent]) -> Tally:
    since = min(event.received_at for event in events) - MOST_BEHIND
    tally: Tally = Counter()
    seen: set[int] = set()
    for page in _pages(ports.label_studio.tasks_changed_since(remote_id, since)):
        tally += follow_page(ports, project, page)
        seen |= {annotation.id for task in page for annotation in task.annotations}
    done = [event.id for event in events if seen.issuperset(event.annotation_ids)]
    with ports.database.write() as uow:
        uow.inbox.mark_all_done(done, ports.clock())
        uow.commit()
    return tally


def _follow_event(ports: IngestPorts, event: InboxEvent) -> Tally:
    """One event that cannot be followed is noted and does not hold up the others; a service that is away
    does.
    """
    error = None
    tally: Tally = Counter()
    try:
        tally += _follow_ids(ports, event)
    except (Unavailable, Denied):
        raise
    except SonoloopError as exc:
        error = exc.message
    with ports.database.write() as uow:
        uow.inbox.mark_done(event.id, ports.clock(), error)
        uow.commit()
    return tally


def _follow_ids(ports: IngestPorts, event: InboxEvent) -> Tally:
    project = None
    if event.label_studio_project is not None:
        with ports.database.read() as uow:
            project = uow.projects.find_by_label_studio_id(event.label_studio_project)
    tally: Tally = Counter(refresh_annotation(ports, item, project) for item in event.annotation_ids)
    for task_id in event.task_ids:
        tally += refresh_task(ports, task_id)
    return tally


def _bury_missing(ports: IngestPorts, project: Project, remote_id: int) -> Tally:
    """A task that is deleted changes no other, so that only the list of all tells."""
    with ports.database.read() as uow:
        known = uow.frames.task_ids(project.id)  # before the list, which has then every one of them
    tally: Tally = Counter()
    for task_id in sorted(known - ports.label_studio.task_ids(remote_id)):
        tally += refresh_task(ports, task_id)
    return tally


def _advance(ports: IngestPorts, project_id: int, seen: datetime) -> None:
    """Move the cursor on, never back: a full look begins with old tasks. Never beyond the present either:
    after a clock was turned back, changes have earlier times than what was seen.
    """
    now = ports.clock()
    reached = min(seen, now)
    with ports.database.write() as uow:
        cursor = uow.marks.cursor(_cursor_name(project_id))
        last = None if cursor is None else datetime.fromisoformat(cursor)
        if last is None or last < reached or last > now:
            uow.marks.set_cursor(_cursor_name(project_id), reached.isoformat())
            uow.commit()


def _pages(tasks: Iterator[RemoteTask]) -> Iterable[list[RemoteTask]]:
    while page := list(islice(tasks, PAGE)):
        yield page


def _remote_id(project: Project) -> int:
    if project.label_studio_id is None:
        raise BadRequest(
            "a project without its Label Studio project", todo="run `sonoloop up`", project=project.id
        )
    return project.label_studio_id


def _cursor_name(project_id: int) -> str:
    return f"reconcile-{project_id}"


__all__ = [
    "IngestPorts",
    "Ingested",
    "Tally",
    "drain_inbox",
    "keep_event",
    "reconcile",
    "refresh_task",
]
