"""Taking frames in: rows first, then tasks in Label Studio; cut short anywhere, the next call goes on.

A task carries the digest of its frame and nothing else, so that one whose answer was lost is found again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import uuid4

from loop.errors import BadRequest, Conflict
from loop.messages import DELETED_TASK
from loop.planning import wake
from loop.ports import Clock, Database, Job, LabelStudio, Queue, UnitOfWork
from loop.records import Frame, NewFrame, Project
from loop.regrouping import Claim
from loop.serving import ServingPorts
from loop.storing import Added, SplitRule, store_frames, wanting_tasks

LEASE = timedelta(seconds=30)
"""How long an intake that was killed keeps others out; a living one renews it with every chunk."""

CHUNK = 250
"""Tasks an import: few enough for a slow Label Studio to take them in well within a lease."""

Wait = Callable[[float], None]
"""Lets a moment pass; hears for how many more seconds another intake may keep this one out."""


@dataclass(frozen=True)
class IntakePorts:
    """What taking frames in needs; their pixels lie in the storage before."""

    database: Database
    label_studio: LabelStudio
    queue: Queue
    clock: Clock


def add_frames(
    ports: IntakePorts,
    rule: SplitRule,
    project_id: int,
    frames: Sequence[NewFrame],
    wait: Wait | None = None,
    *,
    claims: Sequence[Claim] = (),
    beside: Callable[[UnitOfWork], None] = lambda _: None,
) -> Added:
    """Store frames (see `storing.store_frames`), give every frame a task, and wake the preannotation.

    `beside` stores what belongs to the frames in the same unit of work, so that it is there even where Label
    Studio is away. A frame whose task was deleted there gets a new one when it is given again. With `wait`
    another intake is borne for as long as a lease lasts. Raises BadRequest for a project that Label Studio
    does not have, and as `store_frames` does, Conflict while another intake runs, Unavailable (call again:
    nothing doubles).
    """
    with ports.database.write() as uow:
        project = uow.projects.get(project_id)
        added = store_frames(uow, rule, project_id, frames, ports.clock(), claims)
        beside(uow)
        uow.commit()
    remote = ServingPorts(ports.database, ports.label_studio, ports.clock)
    given = {frame.digest for frame in frames}
    tasks = import_missing(remote, project, again=given, wait=wait)
    wake(ports.queue, Job.PREANNOTATE, project_id=project_id)
    return replace(added, tasks=tasks)


def import_missing(
    ports: ServingPorts, project: Project, *, again: Collection[str] = (), wait: Wait | None = None
) -> int:
    """Give every frame without a task its task; tasks that Label Studio has already are joined, not made
    twice.

    Frames whose task was deleted there stay out unless their digest is in `again`. Raises Conflict,
    BadRequest.
    """
    with ports.database.read() as uow:
        missing = wanting_tasks(uow, project.id, again)
    if not missing:
        return 0
    remote_id = project.label_studio_id
    if remote_id is None:
        raise BadRequest(
            "a project without its Label Studio project", todo="run `sonoloop up`", project=project.id
        )
    name, holder = f"intake-{project.id}", uuid4().hex
    try:
        _hold(ports, name, holder, wait)
        return _import(ports, project, remote_id, again, (name, holder))
    finally:
        with ports.database.write() as uow:
            uow.marks.release(name, holder)
            uow.commit()


def frame_data(frame: Frame) -> dict[str, str]:
    """The data of a frame's task: where its pixels are, and its digest; names may identify a patient, so
    none.
    """
    return {"image": f"/data/local-files/?d=all/{frame.digest}.png", "frame": frame.digest}


def _import(
    ports: ServingPorts, project: Project, remote_id: int, again: Collection[str], lease: tuple[str, str]
) -> int:
    orphans = _orphan_tasks(ports, project.id, remote_id)
    _hold(ports, *lease)  # a long list may have taken longer than the lease
    with ports.database.read() as uow:
        missing = wanting_tasks(uow, project.id, again)
    joined = [frame for frame in missing if frame.digest in orphans]
    _set_tasks(ports, joined, [orphans[frame.digest] for frame in joined])
    rest = [frame for frame in missing if frame.digest not in orphans]
    for start in range(0, len(rest), CHUNK):
        chunk = rest[start : start + CHUNK]
        _hold(ports, *lease)
        task_ids = ports.label_studio.import_tasks(remote_id, [frame_data(frame) for frame in chunk])
        _set_tasks(ports, chunk, task_ids)
    return len(missing)


def _orphan_tasks(ports: ServingPorts, project_id: int, remote_id: int) -> dict[str, int]:
    """Frame digest to task for the tasks that belong to no frame yet: an import whose answer was lost."""
    with ports.database.read() as uow:
        known = {frame.task_id for frame in uow.frames.list(project_id)}
    if ports.label_studio.task_ids(remote_id) <= known:
        return {}
    tasks = ports.label_studio.tasks_changed_since(remote_id, None)
    return {str(task.data.get("frame")): task.id for task in tasks if task.id not in known}


def _set_tasks(ports: ServingPorts, frames: Sequence[Frame], task_ids: Sequence[int]) -> None:
    with ports.database.write() as uow:
        uow.frames.set_tasks({frame.id: task for frame, task in zip(frames, task_ids, strict=True)})
        for frame in frames:  # one that was deleted and is given again has a task as any other
            uow.marks.resolve(DELETED_TASK, frame.digest)
        uow.commit()


def _hold(ports: ServingPorts, name: str, holder: str, wait: Wait | None = None) -> None:
    """Take or renew the lease; with `wait` one that nobody renews is outlived. Raises Conflict."""
    patience = ports.clock() + LEASE
    while (seconds := _seconds_kept_out(ports, name, holder)) is not None:
        if wait is None or ports.clock() > patience:
            raise Conflict(
                "a second intake at the same time; the first keeps others out for "
                f"{math.ceil(seconds)} s more at the latest, unless it goes on",
                "one",
                "wait until it is done and call again",
            )
        wait(seconds)


def _seconds_kept_out(ports: ServingPorts, name: str, holder: str) -> float | None:
    """Take the lease, or say for how long another's may still hold; None: it is ours."""
    with ports.database.write() as uow:
        now = ports.clock()
        if uow.marks.acquire(name, holder, now=now, until=now + LEASE):
            uow.commit()
            return None
        until = uow.marks.held_until(name)
    return (until - now).total_seconds() if until else 0.0


__all__ = ["Added", "IntakePorts", "SplitRule", "Wait", "add_frames", "frame_data", "import_missing"]
