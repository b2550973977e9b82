"""The life of a round on a real database: trigger, lease, freezing, gate, promotion, and the way back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from loop.errors import BadRequest, Conflict, IllegalMove, LeaseLost, NotFound
from loop.gate import FrameOutcome
from loop.ingest import reconcile
from loop.policy import TriggerRule
from loop.ports import Job
from loop.records import ModelVersion, Round, RoundState, Split
from loop.rounds import (
    RoundRules,
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
from loop.versions import promote, rollback
from tests.integration.loop.world import World

RULES = RoundRules(trigger=TriggerRule(min_new=8))


@pytest.fixture
def labelled(world: World) -> World:
    """A champion, and twelve labels from its queue."""
    world.model()
    world.follow()
    world.label(12)
    reconcile(world.ingest, world.project.id)
    world.queue.take()
    return world


def planned(world: World, **options: Any) -> Round:
    found = plan(world.rounds, RULES, world.project.id, **options).round
    assert found is not None
    return found


def teaching(world: World) -> int:
    """How many frames are labelled and not held out."""
    held_out = {frame.id for frame in world.frames() if frame.is_held_out}
    return sum(mask.frame_id not in held_out for mask in world.current())


def label_until(world: World, count: int) -> None:
    """Read on until so many labels may teach."""
    while teaching(world) < count:
        world.label(1)
        reconcile(world.ingest, world.project.id)


def at_gate(world: World, seen: Round | None = None) -> tuple[Round, ModelVersion]:
    claimed = claim(world.rounds, RULES, (seen or planned(world, is_forced=True)).id)
    row, _ = freeze(world.rounds, RULES, claimed, "phantoms")
    return record_candidate(
        world.rounds,
        row,
        digest=f"{row.id:064x}",
        origin="phantoms",
        config={"size": 256},
        metrics={"loss": 0.1},
    )


def outcomes(dice: float) -> list[FrameOutcome]:
    wrong = round(100 * (1 - dice))
    return [
        FrameOutcome(
            index, f"g{index % 3}", *(np.array([n]) for n in (100 - wrong, wrong, wrong, 500 - index))
        )
        for index in range(12)
    ]


def judged(world: World, row: Round, dice: float, champion: float | None = 0.8) -> Round:
    return judge_and_promote(
        world.rounds,
        RULES,
        row,
        candidate=outcomes(dice),
        champion=None if champion is None else outcomes(champion),
        champion_id=world.now().champion_id if champion is not None else None,
    )


def test_a_round_is_planned_when_enough_new_labels_are_there_and_the_worker_is_woken(labelled: World) -> None:
    row = planned(labelled)
    assert (row.state, row.number, row.label_count) == (RoundState.PLANNED, 1, 12)
    assert f"{teaching(labelled)} new masks" in row.reason
    assert labelled.queue.take() == [(Job.TRAIN, {"round_id": row.id})]


def test_a_burst_of_triggers_gives_one_round(labelled: World) -> None:
    first = planned(labelled)
    for is_forced in (False, True):
        again = plan(labelled.rounds, RULES, labelled.project.id, is_forced=is_forced)
        assert again.round is None
        assert f"round {first.number} is planned" in again.trigger.reason


def test_too_few_new_labels_plan_nothing_unless_by_force(labelled: World) -> None:
    strict = RoundRules(trigger=TriggerRule(min_new=13))
    refused = plan(labelled.rounds, strict, labelled.project.id)
    assert (refused.round, refused.trigger.reason) == (None, f"{teaching(labelled)} of 13 new masks")
    assert plan(labelled.rounds, strict, labelled.project.id, is_forced=True).round is not None


def test_labels_of_held_out_frames_start_no_round(labelled: World) -> None:
    read, few = len(labelled.current()), teaching(labelled)
    assert few < read
    rules = RoundRules(trigger=TriggerRule(min_new=few + 1))
    assert plan(labelled.rounds, rules, labelled.project.id).round is None
    label_until(labelled, few + 1)
    assert plan(labelled.rounds, rules, labelled.project.id).round is not None


def test_growth_is_measured_on_the_labels_that_taught(labelled: World) -> None:
    row, _ = at_gate(labelled)
    judged(labelled, row, 0.9)
    taught = teaching(labelled)
    labelled.follow()
    label_until(labelled, 2 * taught - 1)
    doubled = RoundRules(trigger=TriggerRule(min_new=1, growth=1.0))
    refused = plan(labelled.rounds, doubled, labelled.project.id)
    assert refused.trigger.reason == f"{taught - 1} of {taught} new masks"
    label_until(labelled, 2 * taught)
    begun = plan(labelled.rounds, doubled, labelled.project.id).round
    assert begun is not None
    assert begun.reason == f"{taught} new masks since {taught} at the last round, {taught} needed"


def test_what_a_round_has_learned_from_is_not_new_to_the_next(labelled: World) -> None:
    row, _ = at_gate(labelled)
    judged(labelled, row, 0.9)
    assert plan(labelled.rounds, RULES, labelled.project.id).trigger.reason == "0 of 8 new masks"
    labelled.follow()
    label_until(labelled, teaching(labelled) + 8)
    assert planned(labelled).number == 2


def test_labels_that_come_while_a_round_trains_count_for_the_next(labelled: World) -> None:
    claimed = claim(labelled.rounds, RULES, planned(labelled).id)
    freeze(labelled.rounds, RULES, claimed, "phantoms")
    label_until(labelled, teaching(labelled) + 8)
    mark_cancelled(labelled.rounds, claimed)
    assert planned(labelled).number == 2


@pytest.mark.parametrize("end", [RoundState.CANCELLED, RoundState.FAILED])
def test_the_labels_of_a_round_without_a_verdict_stay_new_but_do_not_start_it_again(
    labelled: World, end: RoundState
) -> None:
    claimed = claim(labelled.rounds, RULES, planned(labelled).id)
    freeze(labelled.rounds, RULES, claimed, "phantoms")
    if end is RoundState.CANCELLED:
        mark_cancelled(labelled.rounds, claimed)
    else:
        fail(labelled.rounds, RULES, claimed, "the disk is full", is_final=True)
    count = teaching(labelled)
    for _ in range(2):
        assert sweep(labelled.rounds, RULES).planned == ()
    reason = plan(labelled.rounds, RULES, labelled.project.id).trigger.reason
    assert reason.startswith(f"0 of 8 new masks since round 1, which ended {end}; {count} new masks wait")
    again = plan(labelled.rounds, RULES, labelled.project.id, is_forced=True)
    assert again.trigger.reason == f"asked for by hand, with {count} new masks"


def test_after_a_failure_further_labels_start_a_round_that_counts_them_all(labelled: World) -> None:
    claimed = claim(labelled.rounds, RULES, planned(labelled).id)
    fail(labelled.rounds, RULES, claimed, "the disk is full", is_final=True)
    count = teaching(labelled)
    label_until(labelled, count + 7)
    assert sweep(labelled.rounds, RULES).planned == ()
    label_until(labelled, count + 8)
    (row,) = sweep(labelled.rounds, RULES).planned
    assert row.reason == f"{count + 8} new masks since 0 at the last round, 8 needed"


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
    assert promote(labelled.rounds, labelled.project.id, candidate.name).id == candidate.id
    assert labelled.now().champion_id == candidate.id


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
    assert rollback(labelled.rounds, labelled.project.id).id == second.id
    assert rollback(labelled.rounds, labelled.project.id).id == first
    with pytest.raises(BadRequest, match="promote one by name"):
        rollback(labelled.rounds, labelled.project.id)


def test_an_unknown_version_is_refused_with_the_names_that_exist(labelled: World) -> None:
    with pytest.raises(NotFound, match="p1-v0"):
        promote(labelled.rounds, labelled.project.id, "v9")


def test_the_sweeper_wakes_the_worker_for_a_lost_round_but_not_with_every_sweep(labelled: World) -> None:
    row = planned(labelled)
    claim(labelled.rounds, RULES, row.id)
    labelled.queue.take()
    train = (Job.TRAIN, {"round_id": row.id})
    assert train not in sweep(labelled.rounds, RULES).calls
    labelled.clock.advance(RULES.lease_seconds + 1)
    assert train in sweep(labelled.rounds, RULES).calls
    assert train in labelled.queue.take()
    assert train not in sweep(labelled.rounds, RULES).calls
    labelled.clock.advance(31)
    assert train in sweep(labelled.rounds, RULES).calls


def test_the_sweeper_ends_what_was_cancelled_or_lost_three_workers(labelled: World) -> None:
    row = planned(labelled)
    for _ in range(3):
        claim(labelled.rounds, RULES, row.id)
        labelled.clock.advance(RULES.lease_seconds + 1)
    (ended,) = sweep(labelled.rounds, RULES).ended
    assert (ended.state, ended.error) == (RoundState.FAILED, "its workers were lost")
    second = planned(labelled, is_forced=True)
    claimed = claim(labelled.rounds, RULES, second.id)
    cancel(labelled.rounds, labelled.project.id)
    labelled.clock.advance(RULES.lease_seconds + 1)
    assert [item.state for item in sweep(labelled.rounds, RULES).ended] == [RoundState.CANCELLED]
    with pytest.raises(LeaseLost):
        heartbeat(labelled.rounds, RULES, claimed.id, claimed.attempt)


def test_the_sweeper_plans_what_is_due_and_sends_what_was_forgotten(labelled: World) -> None:
    labelled.model()
    labelled.queue.is_down = True
    swept = sweep(labelled.rounds, RULES)
    assert [row.number for row in swept.planned] == [1]
    labelled.queue.is_down = False
    labelled.clock.advance(31)
    jobs = {job for job, _ in sweep(labelled.rounds, RULES).calls}
    assert jobs == {Job.TRAIN, Job.RELAY, Job.PREANNOTATE}


def test_after_everything_is_followed_the_sweeper_is_quiet(world: World) -> None:
    world.model()
    world.follow()
    with world.database.write() as uow:
        for message in uow.outbox.pending():
            uow.outbox.mark_done(message.id, world.clock())
        uow.commit()
    assert sweep(world.rounds, RULES).calls == ()
    world.add(1, 2, prefix="late")
    assert [job for job, _ in sweep(world.rounds, RULES).calls] == [Job.PREANNOTATE]


def test_leases_last_as_long_as_the_rules_say(labelled: World) -> None:
    claimed = claim(labelled.rounds, RULES, planned(labelled).id)
    assert claimed.lease_until is not None
    left = claimed.lease_until - labelled.clock()
    assert timedelta(seconds=RULES.lease_seconds - 1) < left < timedelta(seconds=RULES.lease_seconds)
