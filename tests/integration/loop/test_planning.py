"""When a round is due, and what it counts as new."""

from __future__ import annotations

import pytest

from loop.policy import TriggerRule
from loop.ports import Job
from loop.rounds import (
    RoundRules,
    claim,
    fail,
    freeze,
    mark_cancelled,
    plan,
)
from loop.sweep import sweep
from loop.training_records import RoundState
from tests.integration.loop.rounds import RULES, at_gate, judged, label_until, planned, teaching
from tests.integration.loop.world import World


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
