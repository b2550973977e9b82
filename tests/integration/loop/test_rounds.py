"""The life of a round on a real database: freezing, lease, gate, promotion, and the way back."""

from __future__ import annotations

import pytest

from loop.errors import BadRequest, Conflict, IllegalMove, LeaseLost, NotFound
from loop.ingest import reconcile
from loop.ports import Job
from loop.rounds import (
    cancel,
    claim,
    fail,
    freeze,
    hand_back,
    heartbeat,
    judge_and_promote,
    mark_cancelled,
    plan,
    record_candidate,
    reopen,
)
from loop.sweep import sweep
from loop.training_records import RoundState, Split
from loop.versions import promote, rollback
from tests.integration.loop.rounds import RULES, at_gate, judged, label_until, outcomes, planned, teaching
from tests.integration.loop.world import World


def test_freezing_twice_gives_the_same_set_although_labels_came_in_between(labelled: World) -> None:
    row = planned(labelled)
    claimed = claim(labelled.rounds, RULES, row.id)
    first, frozen = freeze(labelled.rounds, RULES, claimed, "phantoms")
    assert first.state is RoundState.TRAINING
    assert first.base == "phantoms"
    labelled.label(3)
    reconcile(labelled.ingest, labelled.project.id)
    labelled.clock.advance(3600)
    again, same = freeze(labelled.rounds, RULES, claim(labelled.rounds, RULES, row.id), "phantoms")
    assert (again.attempt, same) == (2, frozen)


def test_held_out_frames_are_frozen_for_the_gate_alone(labelled: World) -> None:
    _, frozen = freeze(
        labelled.rounds, RULES, claim(labelled.rounds, RULES, planned(labelled).id), "phantoms"
    )
    held_out = {frame.id for frame in labelled.frames() if frame.is_held_out}
    splits = {entry.frame_id: entry.split for entry in frozen.entries}
    assert {
        frame_id for frame_id, split in splits.items() if split is Split.HELD_OUT
    } == held_out & splits.keys()
    assert held_out & splits.keys()


def test_with_nothing_to_learn_from_a_round_is_neither_planned_nor_frozen(world: World) -> None:
    world.model(origin="none")
    world.follow()
    held_out = next(frame for frame in world.frames() if frame.is_held_out)
    world.submit(held_out, world.truth(held_out))
    reconcile(world.ingest, world.project.id)
    refused = plan(world.rounds, RULES, world.project.id, is_forced=True)
    assert "outside the held-out groups" in refused.trigger.reason
    with world.database.write() as uow:
        row = uow.rounds.add(world.project.id, reason="test", seed=0, label_count=1, now=world.clock())
        uow.commit()
    claimed = claim(world.rounds, RULES, row.id)
    with pytest.raises(BadRequest, match="none of which may teach"):
        freeze(world.rounds, RULES, claimed, "phantoms")


def test_a_better_candidate_is_promoted_with_alias_history_and_outbox_at_once(labelled: World) -> None:
    before = labelled.now().champion_id
    row, candidate = at_gate(labelled)
    ended = judged(labelled, row, 0.9)
    assert ended.state is RoundState.PROMOTED
    assert ended.verdict is not None
    assert ended.verdict.figures["delta"] > 0
    assert ended.verdict.figures["by_class"][0]["class"] == labelled.project.classes[0]
    assert labelled.now().champion_id == candidate.id != before
    with labelled.database.read() as uow:
        assert uow.models.service_history(labelled.project.id)[-1][0] == candidate.id
        assert uow.outbox.pending()[-1].payload["model_version_id"] == candidate.id
    assert (Job.RELAY, {}) in labelled.queue.take()


def test_a_worse_candidate_is_kept_in_the_registry_and_out_of_service(labelled: World) -> None:
    before = labelled.now().champion_id
    row, candidate = at_gate(labelled)
    ended = judged(labelled, row, 0.5)
    assert ended.state is RoundState.REJECTED
    assert ended.verdict is not None
    assert "kept" in ended.verdict.reason
    assert labelled.now().champion_id == before
    assert promote(labelled.rounds, labelled.storage, labelled.project.id, candidate.name).id == candidate.id
    assert labelled.now().champion_id == candidate.id


def test_a_round_that_comes_after_a_worse_model_has_less_margin(labelled: World) -> None:
    """Each is .006 worse than the one before it, which the gate would take once."""
    first, served = at_gate(labelled)
    assert judged(labelled, first, 0.794, 0.8).state is RoundState.PROMOTED
    label_until(labelled, teaching(labelled) + 1)
    second, _ = at_gate(labelled)
    ended = judged(labelled, second, 0.788, 0.794)
    assert ended.state is RoundState.REJECTED
    assert ended.verdict is not None
    assert "behind the best before it" in ended.verdict.reason
    assert labelled.now().champion_id == served.id


def test_a_model_that_a_person_let_in_against_the_gate_begins_anew(labelled: World) -> None:
    first, candidate = at_gate(labelled)
    assert judged(labelled, first, 0.5, 0.8).state is RoundState.REJECTED
    promote(labelled.rounds, labelled.storage, labelled.project.id, candidate.name)
    label_until(labelled, teaching(labelled) + 1)
    second, _ = at_gate(labelled)
    assert judged(labelled, second, 0.5, 0.5).state is RoundState.PROMOTED


def test_a_version_without_weights_is_no_champion_to_the_gate(world: World) -> None:
    world.model(origin="none")
    world.follow()
    world.label(12)
    reconcile(world.ingest, world.project.id)
    row, _ = at_gate(world)
    ended = judged(world, row, 0.2, champion=None)
    assert ended.state is RoundState.PROMOTED
    assert ended.verdict is not None
    assert ended.verdict.is_unproven


def test_an_evaluation_against_a_version_out_of_service_is_refused_and_can_be_repeated(
    labelled: World,
) -> None:
    row, _ = at_gate(labelled)
    old = labelled.now().champion_id
    labelled.model()
    with pytest.raises(Conflict, match="out of service"):
        judge_and_promote(
            labelled.rounds, RULES, row, candidate=outcomes(0.9), champion=outcomes(0.8), champion_id=old
        )
    assert reopen(labelled.rounds, row).state is RoundState.TRAINING
    row, _ = record_candidate(
        labelled.rounds, row, digest=f"{row.id:064x}", origin="phantoms", config={}, metrics={}
    )
    assert judged(labelled, row, 0.9).state is RoundState.PROMOTED


def test_recording_the_same_weights_again_gives_the_same_version(labelled: World) -> None:
    row, first = at_gate(labelled)
    labelled.clock.advance(3600)
    claimed = claim(labelled.rounds, RULES, row.id)
    _, again = record_candidate(
        labelled.rounds, claimed, digest=first.digest, origin="phantoms", config={}, metrics={}
    )
    assert again == first


def test_a_zombie_whose_lease_ran_out_writes_nothing(labelled: World) -> None:
    zombie = claim(labelled.rounds, RULES, planned(labelled).id)
    labelled.clock.advance(RULES.lease_seconds + 1)
    row, _ = at_gate(labelled, zombie)
    for write in (
        lambda: heartbeat(labelled.rounds, RULES, zombie.id, zombie.attempt, {"epoch": 1}),
        lambda: freeze(labelled.rounds, RULES, zombie, "phantoms"),
        lambda: record_candidate(labelled.rounds, zombie, digest="f" * 64, origin="x", config={}, metrics={}),
        lambda: judged(labelled, zombie, 0.99),
        lambda: fail(labelled.rounds, RULES, zombie, "too late"),
        lambda: mark_cancelled(labelled.rounds, zombie),
    ):
        with pytest.raises(LeaseLost):
            write()
    assert judged(labelled, row, 0.9).state is RoundState.PROMOTED


def test_a_round_is_not_judged_twice(labelled: World) -> None:
    row, _ = at_gate(labelled)
    judged(labelled, row, 0.5)
    with pytest.raises(IllegalMove):
        judged(labelled, row, 0.99)


def test_a_heartbeat_keeps_the_lease_shows_progress_and_brings_the_wish_to_cancel(labelled: World) -> None:
    claimed = claim(labelled.rounds, RULES, planned(labelled).id)
    for epoch in range(3):
        labelled.clock.advance(RULES.lease_seconds * 0.8)
        heartbeat(labelled.rounds, RULES, claimed.id, claimed.attempt, {"epoch": epoch})
    with pytest.raises(Conflict):
        claim(labelled.rounds, RULES, claimed.id)
    asked = cancel(labelled.rounds, labelled.project.id)
    assert asked is not None
    assert asked.state is RoundState.PLANNED
    seen = heartbeat(labelled.rounds, RULES, claimed.id, claimed.attempt)
    assert seen.is_cancel_requested
    assert seen.progress == {"epoch": 2}
    assert mark_cancelled(labelled.rounds, claimed).state is RoundState.CANCELLED


def test_a_round_that_nobody_works_on_is_cancelled_at_once(labelled: World) -> None:
    assert cancel(labelled.rounds, labelled.project.id) is None
    planned(labelled)
    ended = cancel(labelled.rounds, labelled.project.id)
    assert ended is not None
    assert ended.state is RoundState.CANCELLED


def test_a_round_fails_after_its_third_attempt_and_until_then_waits_for_the_next(labelled: World) -> None:
    row = planned(labelled)
    states = []
    for attempt in (1, 2, 3):
        claimed = claim(labelled.rounds, RULES, row.id)
        assert claimed.attempt == attempt
        states.append(fail(labelled.rounds, RULES, claimed, "out of memory").state)
    assert states == [RoundState.PLANNED, RoundState.PLANNED, RoundState.FAILED]
    with labelled.database.read() as uow:
        assert uow.rounds.get(row.id).error == "out of memory"
    with pytest.raises(Conflict):
        claim(labelled.rounds, RULES, row.id)


def test_an_attempt_that_a_worker_hands_back_does_not_count(labelled: World) -> None:
    row = planned(labelled)
    for _ in range(5):
        hand_back(labelled.rounds, claim(labelled.rounds, RULES, row.id))
        assert sweep(labelled.rounds, RULES).ended == ()
    claimed = claim(labelled.rounds, RULES, row.id)
    assert claimed.state.is_live
    heartbeat(labelled.rounds, RULES, row.id, claimed.attempt, {"epoch": 1})
    assert fail(labelled.rounds, RULES, claimed, "a crash").state.is_live


def test_a_failure_that_would_come_again_ends_the_round_at_once(labelled: World) -> None:
    claimed = claim(labelled.rounds, RULES, planned(labelled).id)
    assert (
        fail(labelled.rounds, RULES, claimed, "loss is not finite", is_final=True).state is RoundState.FAILED
    )


def test_rollback_goes_back_through_what_served_and_then_says_that_there_is_no_more(labelled: World) -> None:
    first = labelled.now().champion_id
    second = labelled.model()
    labelled.model()
    assert rollback(labelled.rounds, labelled.storage, labelled.project.id).id == second.id
    assert rollback(labelled.rounds, labelled.storage, labelled.project.id).id == first
    with pytest.raises(BadRequest, match="promote one by name"):
        rollback(labelled.rounds, labelled.storage, labelled.project.id)


def test_an_unknown_version_is_refused_with_the_names_that_exist(labelled: World) -> None:
    with pytest.raises(NotFound, match="p1-v0"):
        promote(labelled.rounds, labelled.storage, labelled.project.id, "v9")
