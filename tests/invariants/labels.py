"""Label Studio's annotations against their mirror and against an export."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime

from loop.errors import BadInput, BadRequest
from loop.export import gather_export
from loop.masks import mask_digest
from loop.records import Decision, Frame, MaskVersion, Project
from loop.regions import result_to_mask
from loop.remote import RemoteAnnotation, RemoteTask
from tests.invariants.parts import Findings, Parts


def compare_mirror(
    parts: Parts,
    project: Project,
    frames: list[Frame],
    tasks: list[RemoteTask],
    latest: dict[int, MaskVersion],
    unread: set[str],
    findings: Findings,
) -> None:
    """Every annotation's newest state by id, time and mask; every gone one with its tombstone."""
    frame_of = {frame.task_id: frame for frame in frames if frame.task_id is not None}
    for task in tasks:
        frame = frame_of.get(task.id)
        if frame is None:
            findings.wrong.append(f"task {task.id} belongs to no frame")
            continue
        for annotation in task.annotations:
            found = latest.get(annotation.id)
            try:
                digest = _drawn(parts, project, frame, annotation)
            except BadInput:
                if str(annotation.id) not in unread:
                    findings.lost.append(f"annotation {annotation.id} cannot be read, and nobody is told")
                continue
            findings.lost += _lost(parts, annotation, found, digest)
    alive = {annotation.id for task in tasks for annotation in task.annotations}
    standing = {key for key, version in latest.items() if version.decision is not Decision.DELETED}
    findings.wrong += [f"annotation {key} is gone and has no tombstone" for key in sorted(standing - alive)]
    gone = sorted(frame_of.keys() - parts.label_studio.task_ids(project.label_studio_id or 0))
    findings.wrong += [f"task {task_id} of a frame is gone" for task_id in gone]


def _lost(
    parts: Parts, annotation: RemoteAnnotation, found: MaskVersion | None, digest: str | None
) -> Iterator[str]:
    name = f"annotation {annotation.id} of {annotation.updated_at}"
    if found is None:
        yield f"{name} is not mirrored"
    elif found.decision is Decision.DELETED:
        yield f"{name} is there, but has a tombstone"
    elif found.mask_digest != digest or (found.decision is Decision.SKIPPED) != annotation.was_cancelled:
        yield f"{name} is mirrored with another mask, as of {found.updated_at}"
    elif parts.by_clock and found.updated_at != annotation.updated_at:
        yield f"{name} is mirrored as of {found.updated_at}"


def _drawn(parts: Parts, project: Project, frame: Frame, annotation: RemoteAnnotation) -> str | None:
    """The digest of what the reader drew; None for a skip. Raises BadInput."""
    if annotation.was_cancelled:
        return None
    size = frame.height, frame.width
    return mask_digest(result_to_mask(annotation.result, project.classes, *size, parts.codec))


def wrong_export(
    parts: Parts, project: Project, frames: list[Frame], tasks: list[RemoteTask]
) -> Iterator[str]:
    """The export holds of each frame the newest mask that Label Studio holds of it, and nothing else but what
    it says may be older.
    """
    expected = dict(_newest_masks(parts, project, frames, tasks))
    found: dict[str, str | None] = {}
    with suppress(BadRequest), parts.database.read() as uow:
        export = gather_export(uow, project.id)
        found = {each.digest: each.mask_digest for each in export.frames if not each.may_be_outdated}
        for each in export.outdated():
            expected.pop(each.digest, None)
    if found != expected:
        differing = sum(found.get(key) != expected.get(key) for key in found.keys() | expected.keys())
        yield f"the export differs from Label Studio in {differing} frames"


def _newest_masks(
    parts: Parts, project: Project, frames: list[Frame], tasks: list[RemoteTask]
) -> Iterator[tuple[str, str]]:
    frame_of = {frame.task_id: frame for frame in frames}
    for task in tasks:
        frame = frame_of.get(task.id)
        drawn: list[tuple[datetime, int, str]] = []
        for annotation in task.annotations if frame else ():
            try:
                digest = _drawn(parts, project, frame, annotation) if frame else None
            except BadInput:
                continue
            if digest is not None:
                drawn.append((annotation.updated_at, annotation.id, digest))
        if frame is not None and drawn:
            yield frame.digest, max(drawn)[2]
