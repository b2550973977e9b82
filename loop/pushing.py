"""Bringing placed predictions to Label Studio, none twice: what it lacks by its own list is sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from loop.errors import BadInput, BadRequest, NotFound
from loop.following import Placed, Progress, Run
from loop.ingest import IngestPorts, refresh_task
from loop.masks import check_mask, unpack
from loop.records import Frame, Prediction
from loop.regions import mask_to_result
from loop.remote import NewPrediction
from loop.serving import proposes_nothing

CHUNK = 100
SAME_PLACE = 1e-9


def list_held(run: Run) -> None:
    """Learn for which tasks Label Studio holds a prediction of this version, and note its keys in our rows.

    One that came another way (a live answer, a push whose answer was lost) gets its place.
    """
    remotes = run.ports.label_studio.predictions(run.remote_id, run.version.name)
    remote_of_task = {remote.task_id: remote for remote in sorted(remotes, key=lambda item: -item.id)}
    keys: dict[int, int] = {}
    for row, frame in in_order(run.placed.values()):
        remote = remote_of_task.get(frame.task_id or 0)
        if remote is None or row.remote_id == remote.id:
            continue
        keys[row.id] = remote.id
        run.placed[frame.id] = replace(row, remote_id=remote.id), frame
        if row.place is not None and (remote.score is None or abs(remote.score - row.place) > SAME_PLACE):
            run.ports.label_studio.set_score(remote.id, row.place)
    with run.ports.database.write() as uow:
        uow.predictions.set_remote(keys)
        uow.commit()
    run.held.clear()
    run.held.update(remote_of_task)


def read_placed(run: Run) -> None:
    """Read which predictions of this version have a place in the queue."""
    with run.ports.database.read() as uow:
        rows = uow.predictions.for_version(run.project.id, run.version.id)
        frames = {frame.id: frame for frame in uow.frames.list(run.project.id)}
    run.placed.clear()
    run.placed.update({row.frame_id: (row, frames[row.frame_id]) for row in rows if row.place is not None})


def in_order(placed: Iterable[Placed]) -> list[Placed]:
    """First served first."""
    return sorted(placed, key=lambda item: (item[0].place or 0.0, item[0].id))


def push(run: Run, queue: Sequence[Placed]) -> int:
    """Send those that Label Studio does not hold and that still want a reader; returns how many.

    What Label Studio holds is known from `list_held`, called before. Raises Unavailable, LeaseLost,
    Overtaken; the next run sends what is then missing.
    """
    missing = [item for item in queue if item[1].task_id not in run.held and item[1].id not in run.broken]
    sent = 0
    for start in range(0, len(missing), CHUNK):
        run.check_in()
        chunk = missing[start : start + CHUNK]
        open_frames = still_open(run, [frame for _, frame in chunk])
        wanted = [(row, open_frames[row.frame_id]) for row, _ in chunk if row.frame_id in open_frames]
        sent += _send(run, [new for row, frame in wanted if (new := _build(run, row, frame))])
        run.on_progress(Progress("pushing", start + len(chunk), len(missing)))
    return sent


def still_open(run: Run, frames: Sequence[Frame]) -> dict[int, Frame]:
    """As they are now, by id, those of a few frames that want a reader: some were labelled, or lost their
    task, since they were read.
    """
    with run.ports.database.read() as uow:
        found = uow.frames.unlabelled(run.project.id, [frame.id for frame in frames])
    return {frame.id: frame for frame in found}


def drop_deleted_tasks(run: Run) -> None:
    """Let go of tasks that were deleted in Label Studio: one of them would make it refuse a whole chunk."""
    existing = run.ports.label_studio.task_ids(run.remote_id)
    with run.ports.database.read() as uow:
        frames = uow.frames.list(run.project.id)
    for frame in frames:
        if frame.task_id is not None and frame.task_id not in existing:
            refresh_task(ingest_ports(run), frame.task_id)


def ingest_ports(run: Run) -> IngestPorts:
    """For what has to be mirrored first."""
    ports = run.ports
    return IngestPorts(ports.database, ports.storage, ports.label_studio, ports.codec, ports.clock)


def _send(run: Run, predictions: Sequence[NewPrediction]) -> int:
    try:
        run.ports.label_studio.push_predictions(run.remote_id, predictions)
    except NotFound:
        # One task of the chunk was deleted a moment ago, so none was stored: send what is left of it.
        drop_deleted_tasks(run)
        existing = run.ports.label_studio.task_ids(run.remote_id)
        predictions = [new for new in predictions if new.task_id in existing]
        run.ports.label_studio.push_predictions(run.remote_id, predictions)
    except BadRequest as error:
        return _send_apart(run, predictions, error)
    run.held.update(new.task_id for new in predictions)
    return len(predictions)


def _send_apart(run: Run, predictions: Sequence[NewPrediction], error: BadRequest) -> int:
    """Send one by one what was refused as a whole: a drawing that Label Studio does not take must keep no
    other from its reader. When it takes none at all, the fault is not theirs: then `error` is raised.
    """
    refused: dict[int, str] = {}
    for new in predictions:
        run.check_in()
        try:
            run.ports.label_studio.push_predictions(run.remote_id, [new])
            run.held.add(new.task_id)
        except (BadRequest, NotFound) as reason:
            refused[new.task_id] = reason.message
    if not run.held:
        raise error
    with run.ports.database.read() as uow:
        frames = {frame.task_id: frame for frame in uow.frames.list(run.project.id)}
    for task_id, message in refused.items():
        if task_id in frames:
            run.set_aside(frames[task_id], message)
    return len(predictions) - len(refused)


def _build(run: Run, row: Prediction, frame: Frame) -> NewPrediction | None:
    if frame.task_id is None or row.place is None:
        return None
    try:
        result = _result(run, row, frame)
    except (BadInput, NotFound) as error:
        run.set_aside(frame, error.message)
        return None
    return NewPrediction(frame.task_id, run.version.name, row.place, result)


def _result(run: Run, row: Prediction, frame: Frame) -> Sequence[Mapping[str, Any]]:
    """Regions of a proposal; nothing is drawn for an order-only prediction, nor by a version that proposes
    nothing, whatever its rows say: they may be older than that.
    """
    if row.mask_digest is None or proposes_nothing(run.version, run.project):
        return []
    mask = unpack(run.ports.storage.get("masks", row.mask_digest))
    check_mask(mask, len(run.project.classes), frame.height, frame.width)
    key = f"{frame.digest} {run.version.name}"
    return mask_to_result(mask, run.project.classes, run.ports.codec, key)
