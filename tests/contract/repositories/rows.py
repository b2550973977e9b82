"""Short ways to rows that the contract's tests build on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from db import SqlDatabase, SqlUnitOfWork
from loop import ports
from loop.records import (
    Decision,
    Frame,
    MaskVersion,
    ModelVersion,
    NewFrame,
    Prediction,
    Project,
    Purpose,
    Round,
)

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
