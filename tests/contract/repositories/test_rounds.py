"""Rounds, training sets and model versions, on every database."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from db import SqlDatabase, SqlUnitOfWork
from loop.errors import Conflict, LeaseLost, NotFound
from loop.training_records import RoundState, Split, TrainingEntry, TrainingSet, Verdict
from tests.contract.repositories.rows import (
    NOON,
    add_frames,
    add_model,
    add_project,
    add_round,
    after,
    append_mask,
    digest,
)

WRITES: dict[str, Callable[[SqlUnitOfWork, int, int], object]] = {
    "renew": lambda unit, round_id, attempt: unit.rounds.renew(round_id, attempt, until=after(999)),
    "release": lambda unit, round_id, attempt: unit.rounds.release(round_id, attempt),
    "progress": lambda unit, round_id, attempt: unit.rounds.set_progress(round_id, attempt, {"epoch": 1}),
    "move": lambda unit, round_id, attempt: unit.rounds.move(
        round_id, attempt, RoundState.GATING, now=after(1)
    ),
}


def test_a_planned_round_comes_back_as_it_was_stored(database: SqlDatabase) -> None:
    with database.write() as unit:
        project = add_project(unit)
        assert unit.rounds.live(project.id) is None
        planned = unit.rounds.add(
            project.id, reason="20 new labels", seed=2**62, label_count=20, now=after(3)
        )
        assert planned == unit.rounds.get(planned.id) == unit.rounds.live(project.id)
        assert unit.rounds.list(project.id) == [planned]
    assert (planned.number, planned.state, planned.attempt) == (1, RoundState.PLANNED, 0)
    assert (planned.seed, planned.label_count, planned.created_at) == (2**62, 20, after(3))
    assert (planned.lease_until, planned.verdict, planned.finished_at) == (None, None, None)
    assert (planned.is_cancel_requested, planned.progress) == (False, {})


def test_a_project_has_one_live_round(database: SqlDatabase) -> None:
    with database.write() as unit:
        project, other = add_project(unit), add_project(unit)
        first = add_round(unit, project)
        for state in (RoundState.TRAINING, RoundState.GATING):
            with pytest.raises(Conflict):
                add_round(unit, project)
            unit.rounds.move(first.id, 0, state, now=NOON)
        add_round(unit, other)
        unit.rounds.move(first.id, 0, RoundState.REJECTED, now=after(1))
        assert add_round(unit, project).number == 2
        with pytest.raises(NotFound):
            unit.rounds.add(404, reason="", seed=0, label_count=0, now=NOON)


def test_a_claim_is_refused_while_another_holds_the_lease(database: SqlDatabase) -> None:
    with database.write() as unit:
        planned = add_round(unit, add_project(unit))
        claimed = unit.rounds.claim(planned.id, now=NOON, until=after(60))
        assert (claimed.attempt, claimed.lease_until) == (1, after(60))
        with pytest.raises(Conflict):
            unit.rounds.claim(planned.id, now=after(59), until=after(120))
        assert unit.rounds.claim(planned.id, now=after(60), until=after(120)).attempt == 2
        with pytest.raises(NotFound):
            unit.rounds.claim(404, now=NOON, until=after(60))


@pytest.mark.parametrize("write", WRITES)
def test_every_write_of_an_older_attempt_is_refused(database: SqlDatabase, write: str) -> None:
    with database.write() as unit:
        planned = add_round(unit, add_project(unit))
        unit.rounds.claim(planned.id, now=NOON, until=after(60))
        current = unit.rounds.claim(planned.id, now=after(60), until=after(120))
        with pytest.raises(LeaseLost):
            WRITES[write](unit, planned.id, 1)
        assert unit.rounds.get(planned.id) == current
        WRITES[write](unit, planned.id, 2)
        with pytest.raises(NotFound):
            WRITES[write](unit, 404, 1)


@pytest.mark.parametrize("write", ["renew", "progress"])
def test_a_round_that_is_over_takes_no_more_work(database: SqlDatabase, write: str) -> None:
    with database.write() as unit:
        planned = add_round(unit, add_project(unit))
        unit.rounds.claim(planned.id, now=NOON, until=after(60))
        unit.rounds.move(planned.id, 1, RoundState.CANCELLED, now=after(2))
        with pytest.raises(LeaseLost):
            WRITES[write](unit, planned.id, 1)
        with pytest.raises(Conflict):
            unit.rounds.claim(planned.id, now=after(999), until=after(1000))


def test_a_released_round_is_free_at_once(database: SqlDatabase) -> None:
    with database.write() as unit:
        planned = add_round(unit, add_project(unit))
        unit.rounds.claim(planned.id, now=NOON, until=after(60))
        unit.rounds.release(planned.id, 1)
        with pytest.raises(LeaseLost):
            unit.rounds.renew(planned.id, 1, until=after(90))
        assert unit.rounds.claim(planned.id, now=after(1), until=after(60)).attempt == 2


def test_a_renewal_prolongs_the_lease_and_tells_of_a_cancel(database: SqlDatabase) -> None:
    with database.write() as unit:
        planned = add_round(unit, add_project(unit))
        unit.rounds.claim(planned.id, now=NOON, until=after(60))
        assert not unit.rounds.renew(planned.id, 1, until=after(80)).is_cancel_requested
        unit.rounds.request_cancel(planned.id)
        renewed = unit.rounds.renew(planned.id, 1, until=after(90))
        assert (renewed.is_cancel_requested, renewed.lease_until) == (True, after(90))
        with pytest.raises(NotFound):
            unit.rounds.request_cancel(404)


def test_a_cancel_of_a_round_that_is_over_changes_nothing(database: SqlDatabase) -> None:
    with database.write() as unit:
        planned = add_round(unit, add_project(unit))
        over = unit.rounds.move(planned.id, 0, RoundState.FAILED, now=after(1), error="no labels")
        unit.rounds.request_cancel(planned.id)
        assert unit.rounds.get(planned.id) == over


def test_expired_rounds_are_live_ones_that_nobody_holds(database: SqlDatabase) -> None:
    with database.write() as unit:
        unclaimed, held, over = (add_round(unit, add_project(unit)) for _ in range(3))
        unit.rounds.claim(held.id, now=NOON, until=after(60))
        unit.rounds.move(over.id, 0, RoundState.CANCELLED, now=NOON)
        assert [found.id for found in unit.rounds.expired(after(59))] == [unclaimed.id]
        assert [found.id for found in unit.rounds.expired(after(60))] == [unclaimed.id, held.id]


def test_a_move_keeps_what_it_is_given_and_the_last_one_ends_the_lease(database: SqlDatabase) -> None:
    verdict = Verdict(True, False, "P = 0.91", {"p": 0.91, "frames": [1, 2], "champion": None})
    with database.write() as unit:
        project = add_project(unit)
        planned = add_round(unit, project)
        claimed = unit.rounds.claim(planned.id, now=NOON, until=after(60))
        candidate = add_model(unit, project, round_id=planned.id)
        training = unit.rounds.move(planned.id, 1, RoundState.TRAINING, now=after(1), base="p1-v0")
        assert (training.state, training.lease_until, training.base) == (
            RoundState.TRAINING,
            claimed.lease_until,
            "p1-v0",
        )
        changes = {"candidate_id": candidate.id, "verdict": verdict, "progress": {"epoch": 3}, "error": None}
        promoted = unit.rounds.move(planned.id, 1, RoundState.PROMOTED, now=after(9), **changes)
        assert (promoted.candidate_id, promoted.verdict, promoted.progress) == (
            candidate.id,
            verdict,
            {"epoch": 3},
        )
        assert (promoted.finished_at, promoted.lease_until) == (after(9), None)
        with pytest.raises(TypeError, match="number"):
            unit.rounds.move(planned.id, 1, RoundState.PROMOTED, now=NOON, number=9)


def test_a_figure_that_is_no_number_is_kept_as_unknown(database: SqlDatabase) -> None:
    with database.write() as unit:
        planned = add_round(unit, add_project(unit))
        unit.rounds.set_progress(planned.id, 0, {"loss": math.nan, "dice": [0.5, math.inf]})
        assert unit.rounds.get(planned.id).progress == {"loss": None, "dice": [0.5, None]}


def test_a_training_set_is_stored_once_in_its_order(database: SqlDatabase) -> None:
    with database.write() as unit:
        project = add_project(unit)
        frames = add_frames(unit, project, 3)
        entries = []
        for frame, split in zip(reversed(frames), Split, strict=True):
            version = append_mask(unit, frame, frame.id)
            assert version is not None
            entries.append(
                TrainingEntry(frame.id, frame.digest, version.id, digest(frame.id), frame.group, split)
            )
        training_set = TrainingSet(digest(1), tuple(entries))
        unit.rounds.save_training_set(training_set)
        unit.rounds.save_training_set(training_set)
        unit.rounds.save_training_set(TrainingSet(digest(2), ()))
        assert unit.rounds.training_set(digest(1)) == training_set
        assert unit.rounds.training_set(digest(2)).entries == ()
        planned = add_round(unit, project)
        moved = unit.rounds.move(planned.id, 0, RoundState.TRAINING, now=NOON, training_set_digest=digest(1))
        assert moved.training_set_digest == digest(1)
        with pytest.raises(NotFound):
            unit.rounds.training_set(digest(3))


def test_model_versions_count_up_from_zero_within_their_project(database: SqlDatabase) -> None:
    with database.write() as unit:
        project, other = add_project(unit), add_project(unit)
        planned = add_round(unit, project)
        base, first = add_model(unit, project, 0), add_model(unit, project, 1, planned.id)
        assert (base.number, base.name) == (0, f"p{project.id}-v0")
        assert (first.number, first.round_id) == (1, planned.id)
        assert add_model(unit, other, 0).number == 0
        assert first == unit.models.get(first.id) == unit.models.find(project.id, f"p{project.id}-v1")
        assert unit.models.list(project.id) == [base, first]
        assert unit.models.find(other.id, first.name) is None
        with pytest.raises(NotFound):
            unit.models.get(404)
        with pytest.raises(NotFound):
            add_model(unit, project, 3, round_id=404)


def test_the_same_weights_of_a_round_are_registered_once(database: SqlDatabase) -> None:
    with database.write() as unit:
        project = add_project(unit)
        planned = add_round(unit, project)
        base, trained = add_model(unit, project, 1), add_model(unit, project, 1, planned.id)
        assert base.id != trained.id
        assert add_model(unit, project, 1) == base
        assert add_model(unit, project, 1, planned.id) == trained
        assert add_model(unit, project, 2, planned.id).number == 2


def test_the_history_of_service_is_kept_in_order(database: SqlDatabase) -> None:
    with database.write() as unit:
        project = add_project(unit)
        first, second = add_model(unit, project, 1), add_model(unit, project, 2)
        for version, second_of_day in ((first, 1), (second, 2), (first, 3)):
            unit.models.record_service(project.id, version.id, after(second_of_day))
        assert unit.models.service_history(project.id) == [
            (first.id, after(1)),
            (second.id, after(2)),
            (first.id, after(3)),
        ]
        with pytest.raises(NotFound):
            unit.models.record_service(project.id, 404, NOON)


def test_the_newest_round_has_the_highest_number_of_those_asked_for(
    database: SqlDatabase,
) -> None:
    with database.write() as unit:
        project, other = add_project(unit), add_project(unit)
        assert unit.rounds.newest(project.id) is None
        first = add_round(unit, project)
        rejected = unit.rounds.move(first.id, 0, RoundState.REJECTED, now=NOON)
        second = add_round(unit, project)
        assert unit.rounds.newest(project.id) == second
        assert unit.rounds.newest(project.id, {RoundState.REJECTED, RoundState.PROMOTED}) == rejected
        assert unit.rounds.newest(project.id, {RoundState.FAILED}) is None
        assert unit.rounds.newest(other.id) is None


def test_how_many_a_round_was_taught_leaves_held_out_ones_out(database: SqlDatabase) -> None:
    with database.write() as unit:
        frames = add_frames(unit, add_project(unit), 3)
        masks = [append_mask(unit, frame, frame.id) for frame in frames]
        splits = Split.TRAIN, Split.INNER, Split.HELD_OUT
        entries = tuple(
            TrainingEntry(frame.id, frame.digest, mask.id, digest(1), frame.clip, split)
            for frame, mask, split in zip(frames, masks, splits, strict=True)
            if mask is not None
        )
        unit.rounds.save_training_set(TrainingSet(digest(5), entries))
        assert unit.rounds.count_taught(digest(5)) == 2
        assert unit.rounds.newest_taught(digest(5)) == entries[-1].mask_version_id
        assert unit.rounds.count_taught(digest(6)) == 0
        assert unit.rounds.newest_taught(digest(6)) is None
