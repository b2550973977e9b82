"""What a dataset is made of: the current masks, parts that share no group, and where each mask came from."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from db import SqlDatabase, open_database
from loop.errors import BadRequest, NotFound
from loop.export import ExportSet, Part, assign_parts, gather_export
from loop.records import Arm, Decision, Frame, NewFrame, Purpose, SelectionEntry

NOON = datetime(2025, 3, 1, 12, tzinfo=UTC)


def digest_of(number: int) -> str:
    return f"{number:064x}"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[SqlDatabase]:
    database = open_database(f"sqlite:///{tmp_path / 'loop.sqlite3'}")
    yield database
    database.close()


@pytest.fixture
def project_id(database: SqlDatabase) -> int:
    """A project of ten clips with two frames each, the first two clips held out, and version 0 in service."""
    with database.write() as uow:
        project = uow.projects.add("Veins", ["Vein"], {})
        frames = [
            NewFrame(digest_of(n), 20, 10, f"clip-{n // 2}", None, is_held_out=n // 2 < 2) for n in range(20)
        ]
        uow.frames.add(project.id, frames, NOON)
        model = uow.models.add(
            project.id,
            digest=digest_of(99),
            round_id=None,
            origin="phantoms",
            config={},
            metrics={},
            now=NOON,
        )
        uow.projects.set_champion(project.id, model.id)
        uow.commit()
    return project.id


def label(
    database: SqlDatabase,
    project_id: int,
    number: int,
    decision: Decision = Decision.FIXED,
    *,
    minutes: int = 0,
    is_simulated: bool = False,
    is_blind: bool = False,
) -> None:
    """Label frame `number`, shown a proposal of version 0 unless `is_blind`; a later label of a frame is an
    update of the first.
    """
    with database.write() as uow:
        frame = uow.frames.list(project_id)[number]
        champion = uow.projects.get(project_id).champion_id
        assert champion is not None
        proposal = uow.predictions.find(frame.id, champion) or uow.predictions.put(
            frame.id,
            champion,
            purpose=Purpose.PROPOSAL,
            mask_digest=digest_of(50),
            uncertainty=0.5,
            place=0.1,
        )
        uow.masks.append(
            frame_id=frame.id,
            annotation_id=1000 + number,
            updated_at=NOON + timedelta(minutes=minutes),
            reader_id=uow.readers.ensure(5).id,
            decision=decision,
            mask_digest=digest_of(200 + minutes) if decision.is_trainable else None,
            seconds=8.0,
            proposal_id=None if is_blind else proposal.id,
            dice_to_proposal=0.8,
            is_simulated=is_simulated,
            now=NOON,
        )
        uow.commit()


def gather(database: SqlDatabase, project_id: int) -> ExportSet:
    with database.read() as uow:
        return gather_export(uow, project_id)


def test_only_current_trainable_masks_are_exported(database: SqlDatabase, project_id: int) -> None:
    label(database, project_id, 4)
    label(database, project_id, 4, minutes=1)
    label(database, project_id, 5, Decision.SKIPPED)
    label(database, project_id, 6)
    label(database, project_id, 6, Decision.DELETED, minutes=1)
    export = gather(database, project_id)
    assert [(frame.digest, frame.mask_digest) for frame in export.frames] == [(digest_of(4), digest_of(201))]
    assert export.unlabelled == 19


def test_every_mask_says_where_it_came_from(database: SqlDatabase, project_id: int) -> None:
    label(database, project_id, 4, Decision.ACCEPTED)
    export = gather(database, project_id)
    (frame,) = export.frames
    assert (export.champion, export.champion_digest) == (f"p{project_id}-v0", digest_of(99))
    assert (frame.decision, frame.proposed_by) == (Decision.ACCEPTED, f"p{project_id}-v0")
    assert (frame.seconds, frame.dice_to_proposal, frame.labelled_at) == (8.0, 0.8, NOON)
    assert frame.reader is not None
    assert frame.reader.startswith("reader-")


def test_every_mask_says_by_which_arm_its_frame_was_asked_for(database: SqlDatabase, project_id: int) -> None:
    label(database, project_id, 4)
    label(database, project_id, 5)
    with database.write() as uow:
        frame = uow.frames.list(project_id)[4]
        entries = [SelectionEntry(frame.id, 0, Arm.BLIND, None)]
        model = uow.projects.get(project_id).champion_id or 0
        uow.selections.add(project_id, model, strategy="random", seed=0, entries=entries, now=NOON)
        uow.commit()
    assert [each.arm for each in gather(database, project_id).frames] == [Arm.BLIND, None]


def test_seconds_of_a_simulated_reader_do_not_leave(database: SqlDatabase, project_id: int) -> None:
    label(database, project_id, 4, is_simulated=True)
    (frame,) = gather(database, project_id).frames
    assert frame.is_simulated
    assert frame.seconds is None


def test_held_out_clips_are_the_test_part_and_no_clip_is_parted(
    database: SqlDatabase, project_id: int
) -> None:
    for number in range(20):
        label(database, project_id, number, is_blind=number < 4)
    export = gather(database, project_id)
    assert {frame.clip for frame in export.of_part(Part.TEST)} == {"clip-0", "clip-1"}
    assert len({(frame.clip, frame.part) for frame in export.frames}) == 10
    assert export.counts() == {"train": 14, "val": 2, "test": 4}
    assert export.of_part(Part.PROPOSED) == ()
    assert gather(database, project_id).digest == export.digest


def test_a_held_out_frame_that_was_read_over_a_proposal_is_no_test_frame(
    database: SqlDatabase, project_id: int
) -> None:
    """A clip can become held out after a model's proposals for its frames were shown."""
    label(database, project_id, 0, is_blind=True)
    label(database, project_id, 1)
    label(database, project_id, 6)
    export = gather(database, project_id)
    (blind,), (seen,) = export.of_part(Part.TEST), export.of_part(Part.PROPOSED)
    assert (blind.digest, blind.proposed_by) == (digest_of(0), None)
    assert (seen.digest, seen.proposed_by) == (digest_of(1), f"p{project_id}-v0")
    assert export.counts() == {"train": 1, "val": 0, "test": 1, "proposed": 1}


def test_an_empty_frame_is_called_empty_whatever_the_classes_are(
    database: SqlDatabase, project_id: int
) -> None:
    label(database, project_id, 4, Decision.NO_VEIN)
    assert gather(database, project_id).decisions() == {"empty": 1}


def test_nothing_labelled_is_an_answer(database: SqlDatabase, project_id: int) -> None:
    with pytest.raises(BadRequest, match="no labelled frame"):
        gather(database, project_id)
    with pytest.raises(NotFound):
        gather(database, project_id + 1)


def frame(number: int, clip: str, patient: str | None, is_held_out: bool = False) -> Frame:
    return Frame(number, 1, digest_of(number), 20, 10, clip, patient, is_held_out, None, NOON)


def test_a_patient_with_one_held_out_frame_is_all_test() -> None:
    frames = [frame(1, "a", "p", True), frame(2, "b", "p"), frame(3, "c", None)]
    parts = assign_parts(frames, 0.15, 0)
    assert parts["p"] is Part.TEST
    assert parts["c"] is not Part.TEST


def test_no_export_moves_a_group_between_training_and_validation() -> None:
    """Whatever is labelled next: who trained on an earlier export must not find its frames in val."""
    groups = [frame(number, f"clip-{number}", None) for number in range(200)]
    whole = assign_parts(groups, 0.15, 0)
    assert 0.1 < list(whole.values()).count(Part.VAL) / 200 < 0.2
    for count in (1, 2, 7, 30, 111):
        part = assign_parts(groups[:count], 0.15, 0)
        assert part == {group: whole[group] for group in part}
