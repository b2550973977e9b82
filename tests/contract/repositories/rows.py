"""Short ways to rows that the contract's tests build on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from db import SqlDatabase, SqlUnitOfWork
from loop import ports
from loop.records import (
    Arm,
    Decision,
    Frame,
    MaskVersion,
    ModelVersion,
    NewFrame,
    Prediction,
    Project,
    Purpose,
    SelectionEntry,
)
from loop.training_records import Round, RoundState, Split, TrainingEntry, TrainingSet

NOON = datetime(2030, 6, 1, 12, tzinfo=UTC)


def as_port(database: SqlDatabase) -> ports.Database:
    """Lets the type checker compare every repository with its port."""
    return database


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def digest(number: int) -> str:
    return f"{number:064x}"


def add_project(unit: SqlUnitOfWork, classes: tuple[str, ...] = ("Vein",)) -> Project:
    return unit.projects.add("Arm veins", classes, {})


def new_frames(total: int, first: int = 0) -> list[NewFrame]:
    numbers = range(first, first + total)
    return [NewFrame(digest(number), 64, 48, f"clip {number // 10}", None, False) for number in numbers]


def add_frames(unit: SqlUnitOfWork, project: Project, total: int) -> list[Frame]:
    """Frames that Label Studio holds: the task's number is the frame's id plus 1000."""
    frames = unit.frames.add(project.id, new_frames(total), NOON)
    unit.frames.set_tasks({frame.id: frame.id + 1000 for frame in frames})
    return unit.frames.list(project.id)


def append_mask(
    unit: SqlUnitOfWork,
    frame: Frame,
    annotation_id: int,
    decision: Decision = Decision.FIXED,
    seconds: float = 0,
    reader_id: int | None = None,
) -> MaskVersion | None:
    return unit.masks.append(
        frame_id=frame.id,
        annotation_id=annotation_id,
        updated_at=after(seconds),
        reader_id=reader_id,
        decision=decision,
        mask_digest=digest(annotation_id) if decision.is_trainable else None,
        seconds=3.5,
        proposal_id=None,
        dice_to_proposal=0.75,
        is_simulated=False,
        now=NOON,
    )


def add_round(unit: SqlUnitOfWork, project: Project) -> Round:
    return unit.rounds.add(project.id, reason="20 new labels", seed=7, label_count=20, now=NOON)


def add_model(
    unit: SqlUnitOfWork, project: Project, number: int = 1, round_id: int | None = None
) -> ModelVersion:
    return unit.models.add(
        project.id,
        digest=digest(number),
        round_id=round_id,
        origin="phantoms",
        config={"network": "resnet34-unet", "classes": ["Vein"]},
        metrics={"dice": 0.5},
        now=NOON,
    )


def put_prediction(unit: SqlUnitOfWork, frame: Frame, model: ModelVersion, place: float = 0.5) -> Prediction:
    return unit.predictions.put(
        frame.id,
        model.id,
        purpose=Purpose.PROPOSAL,
        mask_digest=digest(frame.id),
        uncertainty=0.25,
        place=place,
    )


def fill_every_table(database: SqlDatabase) -> None:
    """At least one row in every table, as the loop would have made them."""
    with database.write() as unit:
        project = add_project(unit)
        frames = add_frames(unit, project, 3)
        reader = unit.readers.ensure(7)
        base = add_model(unit, project, 0)
        put_prediction(unit, frames[0], base)
        mask = append_mask(unit, frames[0], 5001, reader_id=reader.id)
        append_mask(unit, frames[1], 5002, Decision.DELETED)
        assert mask is not None
        round_ = add_round(unit, project)
        entry = TrainingEntry(
            frames[0].id, frames[0].digest, mask.id, mask.mask_digest or "", "clip 0", Split.TRAIN
        )
        unit.rounds.save_training_set(TrainingSet(digest(99), (entry,)))
        claimed = unit.rounds.claim(round_.id, now=NOON, until=after(60))
        unit.rounds.move(
            round_.id, claimed.attempt, RoundState.TRAINING, now=NOON, training_set_digest=digest(99)
        )
        add_model(unit, project, 1, round_.id)
        unit.models.record_service(project.id, base.id, NOON)
        unit.projects.set_champion(project.id, base.id)
        unit.selections.add(
            project.id,
            base.id,
            strategy="random",
            seed=1,
            entries=[SelectionEntry(frames[1].id, 0, Arm.RANDOM, 0.5)],
            now=NOON,
        )
        unit.inbox.add(
            key="a", action="b", label_studio_project=1, annotation_ids=[1], task_ids=[2], now=NOON
        )
        unit.outbox.add("serve", {"project_id": project.id}, NOON)
        unit.marks.acquire("lease", "holder", now=NOON, until=after(60))
        unit.marks.set_cursor("cursor", "here")
        unit.marks.set_aside("file", "subject", "message", NOON)
        unit.commit()
