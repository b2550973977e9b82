"""What the sweeper finds and puts right."""

from __future__ import annotations

from datetime import timedelta

import pytest

from loop.errors import LeaseLost
from loop.ports import Job
from loop.rounds import (
    cancel,
    claim,
    heartbeat,
)
from loop.sweep import sweep
from loop.training_records import RoundState
from tests.integration.loop.rounds import RULES, planned
from tests.integration.loop.world import World


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
