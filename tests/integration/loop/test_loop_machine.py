"""The whole loop in one process: readers, lost events, crashes, rounds, outages and clocks in any order; at
the end of each walk every invariant holds.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import rule

from loop.errors import BadRequest, Conflict, SonoloopError, Unavailable
from loop.ingest import drain_inbox, reconcile
from loop.planning import plan
from loop.rounds import cancel, claim, fail, freeze, heartbeat, record_candidate, reopen
from loop.serving import relay_outbox
from loop.sweep import sweep
from loop.training_records import Round, RoundState
from loop.versions import rollback
from tests.fakes.crash import Crash
from tests.fault_table import Drill
from tests.integration.loop.rounds import RULES, judged
from tests.integration.loop.test_mirror_machine import Mirror
from tests.invariants import Parts, check

Doing = Callable[[], object]
steps = st.integers(1, 60)
names = st.sampled_from(["drain", "look", "follow", "relay", "add", "work"])


class Loop(Mirror):
    """What readers do is inherited; here is what rounds, machines and clocks do."""

    is_stepped_back = False

    @rule(name=names, at=steps)
    def crash(self, name: str, at: int) -> None:
        """The process dies at one of its steps; another one begins when the leases have run out."""
        self.world.restart(at)
        with suppress(Crash, SonoloopError):
            self.doing(name)()
        self.world.restart()

    @rule(name=names, kind=st.sampled_from(["label studio", "answers", "disk", "redis"]))
    def outage(self, name: str, kind: str) -> None:
        """One part is away while something is tried."""
        with self.without(kind), suppress(Unavailable, Conflict, BadRequest):
            self.doing(name)()

    @rule(name=names)
    def go_well(self, name: str) -> None:
        with suppress(Conflict, BadRequest):
            self.doing(name)()

    @rule()
    def start_round(self) -> None:
        plan(self.world.rounds, RULES, self.world.project.id, is_forced=True)

    @rule()
    def look_after_rounds(self) -> None:
        sweep(self.world.rounds, RULES)

    @rule()
    def cancel_round(self) -> None:
        cancel(self.world.rounds, self.world.project.id)

    @rule()
    def roll_back(self) -> None:
        with suppress(BadRequest):
            rollback(self.world.rounds, self.world.storage, self.world.project.id)

    @rule(minutes=st.sampled_from([-60, 1, 10, 60]))
    def turn_clock(self, minutes: int) -> None:
        self.is_stepped_back |= minutes < 0
        self.world.clock.advance(60.0 * minutes)

    def doing(self, name: str) -> Doing:
        world = self.world
        doings: dict[str, Doing] = {
            "drain": lambda: drain_inbox(world.ingest),
            "look": lambda: reconcile(world.ingest, world.project.id),
            "follow": world.follow,
            "relay": lambda: relay_outbox(world.serving),
            "add": lambda: world.add(1, 2, prefix=f"late-{world.pictures}"),
            "work": self.work,
        }
        return doings[name]

    def work(self) -> None:
        """A train worker takes the live round as far as it goes."""
        live = self.live()
        if live is None:
            return
        row = claim(self.world.rounds, RULES, live.id)
        if not row.state.is_live:
            return
        heartbeat(self.world.rounds, RULES, row.id, row.attempt, {"phase": "preparing"})
        if row.state is RoundState.GATING:
            row = reopen(self.world.rounds, row)
        try:
            row, frozen = freeze(self.world.rounds, RULES, row, "phantoms")
        except BadRequest as error:
            fail(self.world.rounds, RULES, row, error.message, is_final=True)
            return
        digest = self.world.weights(f"{row.id} {frozen.digest}")
        named: dict[str, Any] = {"origin": "phantoms", "config": {}, "metrics": {}}
        row, _ = record_candidate(self.world.rounds, row, digest=digest, **named)
        judged(self.world, row, 0.9 if row.number % 2 else 0.5)

    @contextmanager
    def without(self, kind: str) -> Any:
        world = self.world
        world.studio.is_down = kind == "label studio"
        world.studio.lost_answers = int(kind == "answers")
        world.storage.is_full = kind == "disk"
        world.queue.is_down = kind == "redis"
        try:
            yield
        finally:
            world.studio.is_down = world.storage.is_full = world.queue.is_down = False
            world.studio.lost_answers = 0

    def live(self) -> Round | None:
        with self.world.database.read() as uow:
            return uow.rounds.live(self.world.project.id)

    def parts(self) -> Parts:
        return replace(self.world.parts, by_clock=not self.is_stepped_back)

    def settle(self) -> None:
        """Everything is looked at once more, as workers do; then no round is stuck and nothing is lost."""
        world = self.world
        world.restart()
        for _ in range(5):
            sweep(world.rounds, RULES)
            with suppress(Conflict):
                self.work()
            world.clock.advance(120)
        assert self.live() is None
        drain_inbox(world.ingest)
        reconcile(world.ingest, world.project.id, full=True)
        relay_outbox(world.serving)
        world.follow()
        seen.append(check(self.parts(), world.project.id).annotations)


seen: list[int] = []
"""How many annotations there were at the end of each walk."""


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.fault(
    "a random walk in one process",
    done="readers, crashes, rounds, outages and clocks in any order",
)
def test_however_the_walk_goes_nothing_is_lost(drill: Drill) -> None:
    case = Loop.TestCase
    case.settings = settings(
        max_examples=15, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    seen.clear()
    case().runTest()
    assert len(seen) > 10
    drill.lost(0, sum(seen))
