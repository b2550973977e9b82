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
from loop.serving import ServingPorts
from loop.splits import choose_held_out

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


@dataclass(frozen=True)
class SplitRule:
    """Which share of the groups is held out for the gate, and the seed of that choice."""

    held_out_fraction: float = 0.20
    seed: int = 0


@dataclass(frozen=True)
class Added:
    """How many frames were new, how many known already, how many tasks Label Studio got, and how many of
    these are for frames whose task had been deleted there.
    """

    new: int
    known: int
    tasks: int
    brought_back: int


def add_frames(
    ports: IntakePorts,
    rule: SplitRule,
    project_id: int,
    frames: Sequence[NewFrame],
    wait: Wait | None = None,
) -> Added:
    """Store frames whose digest is new, pin what is held out, give every frame a task, and wake the
    preannotation.

    A frame whose task was deleted in Label Studio gets a new one when it is given again. With `wait`
    another intake is borne for as long as a lease lasts. Raises BadRequest for a project that Label Studio
    does not have, Conflict while another intake runs, Unavailable (call again: nothing doubles).
    """
    given = {frame.digest for frame in frames}
    with ports.database.write() as uow:
        project = uow.projects.get(project_id)
        held_out = held_out_groups(uow, project_id, frames, rule)
        pinned = [
            replace(frame, is_held_out=frame.is_held_out or group_of(frame) in held_out) for frame in frames
        ]
        new = uow.frames.add(project_id, pinned, ports.clock())
        late = [
            frame.id
            for frame in uow.frames.list(project_id)
            if frame.group in held_out and not frame.is_held_out
        ]
        uow.frames.pin_held_out(late)
        brought_back = len(_wanting(uow, project_id, given)) - len(_wanting(uow, project_id, ()))
        uow.commit()
    remote = ServingPorts(ports.database, ports.label_studio, ports.clock)
    tasks = import_missing(remote, project, again=given, wait=wait)
    wake(ports.queue, Job.PREANNOTATE, project_id=project_id)
    return Added(new=len(new), known=len(frames) - len(new), tasks=tasks, brought_back=brought_back)


def held_out_groups(
    uow: UnitOfWork, project_id: int, arriving: Sequence[NewFrame], rule: SplitRule
) -> set[str]:
    """The groups to hold out once these frames have come; one that was labelled before is not held out any
    more.
    """
    known = uow.frames.list(project_id)
    pinned = {frame.group for frame in known if frame.is_held_out}
    pinned |= {group_of(frame) for frame in arriving if frame.is_held_out}
    labelled = uow.frames.get_many([mask.frame_id for mask in uow.masks.current(project_id)])
    groups = {frame.group for frame in known} | {group_of(frame) for frame in arriving}
    barred = {frame.group for frame in labelled.values()}
    return choose_held_out(groups, pinned, rule.held_out_fraction, rule.seed, barred)


def group_of(frame: NewFrame) -> str:
    """What a split must keep together: the patient where known, else the clip."""
    return frame.patient or frame.clip


def import_missing(
    ports: ServingPorts, project: Project, *, again: Collection[str] = (), wait: Wait | None = None
) -> int:
    """Give every frame without a task its task; tasks that Label Studio has already are joined, not made
    twice.

    Frames whose task was deleted there stay out unless their digest is in `again`. Raises Conflict,
    BadRequest.
    """
    with ports.database.read() as uow:
        missing = _wanting(uow, project.id, again)
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
        missing = _wanting(uow, project.id, again)
    joined = [frame for frame in missing if frame.digest in orphans]
    _set_tasks(ports, joined, [orphans[frame.digest] for frame in joined])
    rest = [frame for frame in missing if frame.digest not in orphans]
    for start in range(0, len(rest), CHUNK):
        chunk = rest[start : start + CHUNK]
        _hold(ports, *lease)
        task_ids = ports.label_studio.import_tasks(remote_id, [frame_data(frame) for frame in chunk])
        _set_tasks(ports, chunk, task_ids)
    return len(missing)


def _wanting(uow: UnitOfWork, project_id: int, again: Collection[str]) -> list[Frame]:
    deleted = {entry.subject for entry in uow.marks.list_set_aside() if entry.kind == DELETED_TASK}
    stay_out = deleted - set(again)
    return [frame for frame in uow.frames.without_task(project_id) if frame.digest not in stay_out]


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
