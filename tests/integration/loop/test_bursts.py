"""Two triggers at one moment, and two hundred labels in a burst: one round, then one more."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from loop.ingest import drain_inbox, reconcile
from loop.planning import Planned, plan
from loop.policy import TriggerRule
from loop.rounds import RoundRules
from loop.sweep import sweep
from loop.training_records import Round, RoundState
from tests.fault_table import Drill
from tests.integration.loop.hearing import receive
from tests.integration.loop.rounds import at_gate, judged
from tests.integration.loop.world import World
from tests.invariants import settle

RULES = RoundRules(trigger=TriggerRule(min_new=20))


@pytest.mark.fault(
    "two triggers at once, 200 labels in a burst", done="eight sweeps and calls by hand at one moment, twice"
)
def test_a_burst_of_labels_gives_one_round_and_then_one_more(
    make_world: Callable[..., World], drill: Drill
) -> None:
    world = make_world(clips=50, per_clip=5)
    world.model(origin="none")
    world.follow()
    submit(world, 100)
    (first,) = {planned.round.id for planned in at_once(world) if planned.round}
    submit(world, 100)
    assert not any(planned.round for planned in at_once(world))
    row, _ = at_gate(world, first_of(world))
    assert judged(world, row, 0.9, champion=None).state is RoundState.PROMOTED
    submit(world, 40)
    (second,) = {planned.round.id for planned in at_once(world) if planned.round}
    assert [row.id for row in rounds(world)] == [first, second]
    settle(world.parts, world.project.id)
    found = drill.check(world.parts)
    assert found.annotations == 240


def submit(world: World, count: int) -> None:
    """Labels whose events all come twice and in reverse."""
    keys = world.label(count)
    with world.database.write() as uow:
        for key in [*reversed(keys), *keys]:
            body = {"id": key, "updated_at": "now"}
            receive(uow, {"action": "ANNOTATION_CREATED", "annotation": body}, world.clock())
        uow.commit()
    drain_inbox(world.ingest)
    reconcile(world.ingest, world.project.id)


def at_once(world: World) -> list[Planned]:
    """By the sweeper's rule and by hand, each in a thread of its own."""

    def ask(number: int) -> Planned:
        if number % 2:
            sweep(world.rounds, RULES)
        return plan(world.rounds, RULES, world.project.id)

    before = {row.id for row in rounds(world)}
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(ask, range(8)))
    new = [row for row in rounds(world) if row.id not in before]
    assert len(new) <= 1
    return [Planned(row, found[0].trigger) for row in new]


def rounds(world: World) -> list[Round]:
    with world.database.read() as uow:
        return uow.rounds.list(world.project.id)


def first_of(world: World) -> Round:
    return rounds(world)[0]
