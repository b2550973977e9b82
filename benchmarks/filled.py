"""A project of any size in a database, written in bulk: frames, predictions, labels, a round, a queue."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from sqlalchemy import Connection

from db import SqlDatabase
from db.models import (
    Base,
    FrameRow,
    InboxRow,
    MaskVersionRow,
    PredictionRow,
    SelectionEntryRow,
    TrainingEntryRow,
)
from db.repositories.base import insert_many
from loop.records import Arm, Decision, Purpose, SelectionEntry
from loop.training_records import RoundState, Split, TrainingSet

NOW = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
FRAMES_PER_CLIP = 25
HELD_OUT_EVERY = 5
"""Every fifth clip is held out."""
NEW_LABELS = 15
"""So many came after the last round."""
BATCH = 5000

Row = Mapping[str, Any]


def fill(database: SqlDatabase, frames: int) -> int:
    """Write a project with so many frames, half of them labelled; its id.

    Frame n has the task n and, where it is labelled, the annotation n; its predictions are 2 n - 1 and 2 n,
    the second of the champion.
    """
    with database.write() as uow:
        project = uow.projects.add("Large", ["Vein"], {})
        uow.projects.set_label_studio_id(project.id, 1)
        shared: dict[str, Any] = {
            "round_id": None,
            "origin": "trained",
            "config": {},
            "metrics": {},
            "now": NOW,
        }
        versions = [uow.models.add(project.id, digest=f"{name:064x}", **shared) for name in (1, 2)]
        uow.projects.set_champion(project.id, versions[-1].id)
        uow.models.record_service(project.id, versions[-1].id, NOW)
        uow.readers.ensure(1)
        uow.commit()
    version_ids = [version.id for version in versions]
    with database.engine.begin() as connection:
        _write(connection, FrameRow, (_frame(number, project.id) for number in range(1, frames + 1)))
        numbers = range(1, frames + 1)
        _write(
            connection,
            PredictionRow,
            (row for number in numbers for row in _predictions(number, version_ids)),
        )
        _write(
            connection, MaskVersionRow, (_mask(number, frames // 2) for number in range(1, frames // 2 + 1))
        )
        _write(connection, InboxRow, (_event(number) for number in range(1, frames // 2 + 1)))
    _judge_round(database, project.id, frames // 2 - NEW_LABELS)
    _select(database, project.id, version_ids[-1], frames)
    return project.id


def _judge_round(database: SqlDatabase, project_id: int, labels: int) -> None:
    """A round that learned from all labels but the newest."""
    digest = "d" * 64
    with database.write() as uow:
        uow.rounds.save_training_set(TrainingSet(digest, ()))
        planned = uow.rounds.add(
            project_id, reason="20 new", seed=1, label_count=labels, now=_labelled_at(labels)
        )
        claimed = uow.rounds.claim(planned.id, now=NOW, until=NOW)
        end: dict[str, Any] = {"now": NOW, "training_set_digest": digest}
        uow.rounds.move(claimed.id, claimed.attempt, RoundState.REJECTED, **end)
        uow.commit()
    with database.engine.begin() as connection:
        _write(connection, TrainingEntryRow, (_entry(number, digest) for number in range(1, labels + 1)))


def _select(database: SqlDatabase, project_id: int, version_id: int, frames: int) -> None:
    with database.write() as uow:
        empty: dict[str, Any] = {
            "strategy": "boundary-entropy",
            "seed": 0,
            "now": NOW,
            "entries": list[SelectionEntry](),
        }
        selection = uow.selections.add(project_id, version_id, **empty)
        uow.commit()
    rows = (
        {
            "selection_id": selection.id,
            "rank": number,
            "frame_id": number,
            "arm": Arm.SAMPLER,
            "uncertainty": 0.5,
        }
        for number in range(1, frames + 1)
    )
    with database.engine.begin() as connection:
        _write(connection, SelectionEntryRow, rows)


def _write(connection: Connection, table: type[Base], rows: Iterable[Row]) -> None:
    iterator = iter(rows)
    while batch := list(islice(iterator, BATCH)):
        insert_many(connection, table, batch)


def _frame(number: int, project_id: int) -> Row:
    clip = number // FRAMES_PER_CLIP
    return {
        "project_id": project_id,
        "digest": f"{number:064x}",
        "width": 512,
        "height": 512,
        "clip": f"clip{clip:058d}",
        "is_held_out": _is_held_out(number),
        "task_id": number,
        "imported_at": NOW,
    }


def _predictions(number: int, version_ids: list[int]) -> list[Row]:
    return [
        {
            "frame_id": number,
            "model_version_id": version_id,
            "purpose": Purpose.PROPOSAL,
            "mask_digest": f"{number:064x}",
            "uncertainty": 0.5,
            "place": (number * 7919 % 100_003) / 100_003,
            "remote_id": 2 * number + place,
        }
        for place, version_id in enumerate(version_ids)
    ]


def _mask(number: int, labels: int) -> Row:
    decision = Decision.SKIPPED if number % 20 == 0 and number < labels - NEW_LABELS else Decision.ACCEPTED
    return {
        "frame_id": number,
        "annotation_id": number,
        "updated_at": _labelled_at(number),
        "is_tombstone": False,
        "reader_id": 1,
        "decision": decision,
        "mask_digest": f"{number:064x}",
        "seconds": 10.0,
        "proposal_id": 2 * number,
        "dice_to_proposal": 1.0,
        "is_simulated": False,
        "recorded_at": _labelled_at(number),
    }


def _entry(number: int, digest: str) -> Row:
    return {
        "training_set_digest": digest,
        "position": number,
        "frame_id": number,
        "frame_digest": f"{number:064x}",
        "mask_version_id": number,
        "mask_digest": f"{number:064x}",
        "group": f"clip{number // FRAMES_PER_CLIP:058d}",
        "split": Split.HELD_OUT if _is_held_out(number) else Split.TRAIN,
    }


def _event(number: int) -> Row:
    return {
        "key": f"ANNOTATION_CREATED:{number}",
        "action": "ANNOTATION_CREATED",
        "label_studio_project": 1,
        "annotation_ids": (number,),
        "task_ids": (),
        "received_at": _labelled_at(number),
        "done_at": _labelled_at(number),
    }


def _is_held_out(number: int) -> bool:
    return number // FRAMES_PER_CLIP % HELD_OUT_EVERY == 0


def _labelled_at(number: int) -> datetime:
    return NOW + timedelta(seconds=number)
