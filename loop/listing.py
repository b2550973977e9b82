"""Mirroring tasks as Label Studio lists them, and joining them to the frames whose digest they carry."""

from __future__ import annotations

from collections import Counter

from loop.errors import NotFound
from loop.messages import BAD_ANNOTATION, DELETED_TASK
from loop.mirror import (
    Ingested,
    IngestPorts,
    Tally,
    bury_annotation,
    ingest_annotation,
    is_mirrored,
)
from loop.ports import LabelStudio
from loop.records import Decision, Frame, Project
from loop.remote import RemoteTask


def follow_page(ports: IngestPorts, project: Project, page: list[RemoteTask]) -> Tally:
    """Mirror tasks with their annotations as listed; what is mirrored already costs two queries for all."""
    task_ids = [task.id for task in page]
    with ports.database.read() as uow:
        states, aside = uow.masks.states(task_ids), uow.marks.set_aside_of(BAD_ANNOTATION, task_ids)
    tally: Tally = Counter()
    for task in page:
        unreadable = {int(subject) for subject in aside.get(task.id, ())}
        if not unreadable and is_mirrored(task, states.get(task.id)):
            tally[Ingested.KNOWN] += len(task.annotations)
        else:
            tally += _follow_task(ports, project, task, unreadable)
    return tally


def refresh_annotation(ports: IngestPorts, annotation_id: int, project: Project | None = None) -> Ingested:
    """Ask Label Studio about one annotation and mirror the answer; one that is gone gets its tombstone."""
    try:
        annotation = ports.label_studio.get_annotation(annotation_id)
    except NotFound:
        return bury_annotation(ports, annotation_id)
    with ports.database.read() as uow:
        frame = uow.frames.find_by_task(annotation.task_id)
    if frame is None and project is not None:
        frame = adopt(ports, project, annotation.task_id)
    return ingest_annotation(ports, frame, annotation)


def adopt(ports: IngestPorts, project: Project, task_id: int) -> Frame | None:
    """Ask Label Studio for a task and link it; None: it is gone, or not ours."""
    try:
        return link(ports, project, ports.label_studio.get_task(task_id))
    except NotFound:
        return None


def link(ports: IngestPorts, project: Project, task: RemoteTask) -> Frame | None:
    """Join a task to the frame whose digest it carries, where an import was cut short; None: not ours."""
    with ports.database.write() as uow:
        orphans = uow.frames.without_task(project.id)
        frame = next((frame for frame in orphans if frame.digest == task.data.get("frame")), None)
        if frame is not None:
            uow.frames.set_tasks({frame.id: task.id})
            uow.marks.resolve(DELETED_TASK, frame.digest)
            uow.commit()
    return frame


def has_task(label_studio: LabelStudio, task_id: int) -> bool:
    """Whether Label Studio still has a task."""
    try:
        label_studio.get_task(task_id)
    except NotFound:
        return False
    return True


def _follow_task(ports: IngestPorts, project: Project, task: RemoteTask, unreadable: set[int]) -> Tally:
    with ports.database.read() as uow:
        frame = uow.frames.find_by_task(task.id)
    frame = frame or link(ports, project, task)
    tally: Tally = Counter(ingest_annotation(ports, frame, annotation) for annotation in task.annotations)
    with ports.database.read() as uow:
        history = uow.masks.history(frame.id) if frame else []
    newest = {version.annotation_id: version.decision for version in history}  # oldest first
    living = {annotation_id for annotation_id, each in newest.items() if each is not Decision.DELETED}
    listed = {annotation.id for annotation in task.annotations}
    # The listing may be older than the mirror, so what it lacks is asked for by id before it is buried.
    gone = (living | unreadable) - listed
    return tally + Counter(refresh_annotation(ports, annotation_id) for annotation_id in sorted(gone))
