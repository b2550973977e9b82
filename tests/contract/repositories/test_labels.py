"""Mask versions, predictions and selections, on every database."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from db import SqlDatabase
from loop.errors import BadRequest, Conflict, NotFound
from loop.records import Arm, Decision, Drawn, Purpose, SelectionEntry
from tests.contract.repositories.rows import (
    NOON,
    add_frames,
    add_model,
    add_project,
    after,
    append_mask,
    digest,
    put_prediction,
)


def test_a_mask_version_comes_back_as_it_was_stored(database: SqlDatabase) -> None:
    with database.write() as unit:
        project = add_project(unit)
        frame = add_frames(unit, project, 1)[0]
        reader = unit.readers.ensure(3)
        proposal = unit.predictions.put(
            frame.id,
            add_model(unit, project).id,
            purpose=Purpose.PROPOSAL,
            mask_digest=digest(1),
            uncertainty=0.5,
            place=0.0,
        )
        stored = unit.masks.append(
            frame_id=frame.id,
            annotation_id=2**40,
            updated_at=after(0.000001),
            reader_id=reader.id,
            decision=Decision.NO_VEIN,
            mask_digest=digest(2),
            seconds=None,
            proposal_id=proposal.id,
            dice_to_proposal=None,
            is_simulated=True,
            now=after(1),
        )
        unit.commit()
    with database.read() as unit:
        assert unit.masks.latest(2**40) == stored
        assert unit.masks.current(project.id) == [stored]
    assert stored is not None
    assert (stored.updated_at, stored.recorded_at) == (after(0.000001), after(1))
    assert (stored.decision, stored.reader_id, stored.proposal_id) == (
        Decision.NO_VEIN,
        reader.id,
        proposal.id,
    )


def test_the_same_state_of_an_annotation_is_stored_once(database: SqlDatabase) -> None:
    with database.write() as unit:
        frame = add_frames(unit, add_project(unit), 1)[0]
        assert append_mask(unit, frame, 5) is not None
        assert append_mask(unit, frame, 5, Decision.ACCEPTED) is None
        assert append_mask(unit, frame, 5, Decision.DELETED) is not None
        assert append_mask(unit, frame, 5, Decision.DELETED) is None
        assert [version.decision for version in unit.masks.history(frame.id)] == [
            Decision.FIXED,
            Decision.DELETED,
        ]


def test_a_tombstone_wins_until_a_newer_state_was_seen(database: SqlDatabase) -> None:
    with database.write() as unit:
        frame = add_frames(unit, add_project(unit), 1)[0]
        task = frame.task_id or 0

        def stands(decision: Decision, *, at: float, is_labelled: bool) -> None:
            append_mask(unit, frame, 5, decision, seconds=at)
            is_current = bool(unit.masks.current(frame.project_id))
            assert is_current == bool(unit.masks.count_trainable(frame.project_id)) == is_labelled
            assert (unit.masks.states([task])[task][5] is not None) == is_labelled

        stands(Decision.FIXED, at=9, is_labelled=True)
        stands(Decision.DELETED, at=9, is_labelled=False)
        stands(Decision.FIXED, at=5, is_labelled=False)
        stands(Decision.FIXED, at=10, is_labelled=True)
        stands(Decision.DELETED, at=10, is_labelled=False)
        assert unit.masks.latest(6) is None


def test_versions_that_come_out_of_order_leave_the_newest_current(database: SqlDatabase) -> None:
    with database.write() as unit:
        frame = add_frames(unit, add_project(unit), 1)[0]
        for seconds in (5, 9, 1):
            append_mask(unit, frame, 5, Decision.FIXED, seconds=seconds)
        assert [version.updated_at for version in unit.masks.history(frame.id)] == [
            after(1),
            after(5),
            after(9),
        ]
        assert [version.updated_at for version in unit.masks.current(frame.project_id)] == [after(9)]


def test_a_mask_of_an_unknown_frame_is_refused(database: SqlDatabase) -> None:
    with database.write() as unit:
        frame = add_frames(unit, add_project(unit), 1)[0]
        with pytest.raises(NotFound):
            append_mask(unit, frame, 5, reader_id=404)


@pytest.mark.parametrize("change", ["UPDATE mask_versions SET seconds = 0", "DELETE FROM mask_versions"])
def test_the_database_itself_refuses_to_change_a_mask_version(database: SqlDatabase, change: str) -> None:
    with database.write() as unit:
        append_mask(unit, add_frames(unit, add_project(unit), 1)[0], 5)
        unit.commit()
    with database.engine.connect() as connection, pytest.raises(BadRequest, match="append-only"):
        connection.execute(text(change))


def test_a_prediction_changes_until_it_is_pushed(database: SqlDatabase) -> None:
    with database.write() as unit:
        project = add_project(unit)
        frame, model = add_frames(unit, project, 1)[0], add_model(unit, project)
        first = put_prediction(unit, frame, model, place=0.5)
        second = put_prediction(unit, frame, model, place=0.25)
        assert (second.id, second.place) == (first.id, 0.25)
        unit.predictions.set_remote({first.id: 900})
        third = put_prediction(unit, frame, model, place=0.75)
        assert (third.id, third.place, third.remote_id) == (first.id, 0.25, 900)
        assert third == unit.predictions.get(first.id) == unit.predictions.find(frame.id, model.id)
        assert third == unit.predictions.find_by_remote(900)
        unit.predictions.set_places({first.id: 0.0})
        assert unit.predictions.get(first.id).place == 0.0


def test_an_order_only_prediction_has_no_mask(database: SqlDatabase) -> None:
    with database.write() as unit:
        project = add_project(unit)
        frame, model = add_frames(unit, project, 1)[0], add_model(unit, project)
        stored = unit.predictions.put(
            frame.id, model.id, purpose=Purpose.ORDER_ONLY, mask_digest=None, uncertainty=None, place=None
        )
    assert (stored.purpose, stored.mask_digest, stored.uncertainty, stored.place, stored.remote_id) == (
        Purpose.ORDER_ONLY,
        None,
        None,
        None,
        None,
    )


def test_predictions_are_listed_by_version(database: SqlDatabase) -> None:
    with database.write() as unit:
        project, other = add_project(unit), add_project(unit)
        frames, old, new = add_frames(unit, project, 3), add_model(unit, project), add_model(unit, project, 2)
        for frame in reversed(frames):
            put_prediction(unit, frame, old)
        put_prediction(unit, frames[0], new)
        listed = unit.predictions.for_version(project.id, old.id)
        assert [prediction.frame_id for prediction in listed] == [frame.id for frame in frames]
        assert len(unit.predictions.for_version(project.id, new.id)) == 1
        assert unit.predictions.for_version(other.id, old.id) == []
        some = unit.predictions.for_version(project.id, old.id, [frames[2].id, frames[0].id, frames[2].id])
        assert some == [listed[0], listed[2]]
        assert unit.predictions.for_version(project.id, new.id, [frames[1].id]) == []
        assert unit.predictions.for_version(project.id, old.id, []) == []
        assert unit.predictions.find(frames[1].id, new.id) is None
        assert unit.predictions.find_by_remote(1) is None


def test_a_remote_id_goes_over_to_the_prediction_that_names_it_last(database: SqlDatabase) -> None:
    with database.write() as unit:
        project = add_project(unit)
        frames, model = add_frames(unit, project, 2), add_model(unit, project)
        first, second = (put_prediction(unit, frame, model) for frame in frames)
        unit.predictions.set_remote({first.id: 1, second.id: 2})
        unit.predictions.set_remote({first.id: 2})
        assert unit.predictions.get(first.id).remote_id == 2
        assert unit.predictions.get(second.id).remote_id is None
        with pytest.raises(NotFound):
            unit.predictions.set_remote({second.id + 1: 3})
        with pytest.raises(NotFound):
            unit.predictions.get(second.id + 1)


def test_a_selection_comes_back_by_rank_and_the_newest_is_the_latest(database: SqlDatabase) -> None:
    with database.write() as unit:
        project = add_project(unit)
        frames, model = add_frames(unit, project, 3), add_model(unit, project)
        arms = (Arm.BLIND, Arm.SAMPLER, Arm.RANDOM)
        entries = [
            SelectionEntry(frame.id, rank, arm, 0.5 if arm is Arm.SAMPLER else None)
            for frame, rank, arm in zip(frames, (2, 0, 1), arms, strict=True)
        ]
        assert unit.selections.latest(project.id) is None
        unit.selections.add(project.id, model.id, strategy="random", seed=1, entries=[], now=NOON)
        added = unit.selections.add(
            project.id, model.id, strategy="boundary-entropy", seed=2**60, entries=entries, now=after(1)
        )
        assert unit.selections.latest(project.id) == added
        assert unit.selections.count(project.id) == 2
        assert [entry.arm for entry in added.entries] == [Arm.SAMPLER, Arm.RANDOM, Arm.BLIND]


def test_a_frame_has_the_arm_of_the_newest_selection_that_holds_it(database: SqlDatabase) -> None:
    with database.write() as unit:
        project, other = add_project(unit), add_project(unit)
        first, second, third = add_frames(unit, project, 3)
        model = add_model(unit, project)
        assert unit.selections.arms(project.id) == {}
        for number, arms in enumerate(({first: Arm.BLIND, second: Arm.SAMPLER}, {second: Arm.RANDOM})):
            entries = [SelectionEntry(frame.id, rank, arms[frame], None) for rank, frame in enumerate(arms)]
            unit.selections.add(
                project.id, model.id, strategy="random", seed=0, entries=entries, now=after(-number)
            )
        assert unit.selections.arms(project.id) == {first.id: Arm.BLIND, second.id: Arm.RANDOM}
        assert third.id not in unit.selections.arms(project.id)
        assert unit.selections.arms(other.id) == {}


def test_two_frames_cannot_share_a_rank(database: SqlDatabase) -> None:
    with database.write() as unit:
        project = add_project(unit)
        entries = [SelectionEntry(frame.id, 0, Arm.RANDOM, None) for frame in add_frames(unit, project, 2)]
        model = add_model(unit, project)
        with pytest.raises(Conflict):
            unit.selections.add(project.id, model.id, strategy="random", seed=0, entries=entries, now=NOON)


def test_a_version_that_may_teach_is_not_stored_without_its_mask(database: SqlDatabase) -> None:
    with database.write() as unit:
        frame = add_frames(unit, add_project(unit), 1)[0]
        with pytest.raises(BadRequest, match="without a mask"):
            unit.masks.append(
                frame_id=frame.id,
                annotation_id=7,
                updated_at=NOON,
                reader_id=None,
                decision=Decision.NO_VEIN,
                mask_digest=None,
                seconds=None,
                proposal_id=None,
                dice_to_proposal=None,
                is_simulated=False,
                now=NOON,
            )
        assert unit.masks.latest(7) is None


def test_many_predictions_are_stored_like_one_and_a_pushed_one_stays_as_it_is(database: SqlDatabase) -> None:
    with database.write() as unit:
        project = add_project(unit)
        model = add_model(unit, project)
        frames = add_frames(unit, project, 4)
        pushed = put_prediction(unit, frames[1], model)
        unit.predictions.set_remote({pushed.id: 77})
        waiting = put_prediction(unit, frames[2], model)
        drawn = [
            Drawn(frame.id, Purpose.ORDER_ONLY, None, 0.125, place=0.5) for frame in reversed(frames[:3])
        ]
        stored = unit.predictions.put_many(model.id, drawn)
        assert [row.frame_id for row in stored] == [frame.id for frame in frames[:3]]
        assert stored[1] == unit.predictions.get(pushed.id)
        assert stored[1].purpose is Purpose.PROPOSAL
        assert stored[2].id == waiting.id
        assert (stored[2].purpose, stored[2].mask_digest, stored[2].uncertainty) == (
            Purpose.ORDER_ONLY,
            None,
            0.125,
        )
        assert stored == unit.predictions.for_version(project.id, model.id)
        assert unit.predictions.put_many(model.id, []) == []
