"""A clock that is turned back by an hour: nobody is kept out by it, and nothing is passed over."""

from __future__ import annotations

from dataclasses import replace

import pytest

from loop.following import lease_of
from loop.ingest import drain_inbox, reconcile
from loop.mirror import ingest_annotation
from loop.planning import count_labels
from loop.ports import Job
from loop.preannotate import PreannotateRules, follow_champion
from loop.records import Decision
from loop.rounds import claim, freeze, heartbeat
from loop.sweep import sweep
from loop.training_records import RoundState
from tests.fault_table import Drill
from tests.integration.loop.rounds import RULES, at_gate, judged, label_until, planned
from tests.integration.loop.world import World

HOUR = 3600.0
CLOCK = "the clock steps back by an hour"


def settled(world: World, drill: Drill) -> None:
    """Looked at once more, everything stands as it should; times in the mirror may be later than there."""
    drain_inbox(world.ingest)
    reconcile(world.ingest, world.project.id, full=True)
    drill.check(replace(world.parts, by_clock=False))


@pytest.mark.fault(CLOCK, done="while a round trains: its worker lives on, or is dead")
@pytest.mark.parametrize("lives", [True, False])
def test_a_round_goes_on_and_a_dead_workers_lease_holds_nobody_up(
    labelled: World, drill: Drill, lives: bool
) -> None:
    claimed = claim(labelled.rounds, RULES, planned(labelled).id)
    freeze(labelled.rounds, RULES, claimed, "phantoms")
    labelled.queue.take()
    sweep(labelled.rounds, RULES)
    labelled.clock.advance(-HOUR)
    if lives:
        heartbeat(labelled.rounds, RULES, claimed.id, claimed.attempt, {"epoch": 3})
        assert (Job.TRAIN, {"round_id": claimed.id}) not in sweep(labelled.rounds, RULES).calls
        labelled.clock.advance(RULES.lease_seconds + 1)  # then it dies
    assert (Job.TRAIN, {"round_id": claimed.id}) in sweep(labelled.rounds, RULES).calls
    row, _ = at_gate(labelled, claimed)
    assert row.attempt == 2
    assert judged(labelled, row, 0.9).state is RoundState.PROMOTED
    settled(labelled, drill)


@pytest.mark.fault(CLOCK, done="just after a wake-up call was sent and lost")
def test_a_call_that_was_lost_is_sent_again_within_the_minute(labelled: World, drill: Drill) -> None:
    row = planned(labelled)
    assert (Job.TRAIN, {"round_id": row.id}) in sweep(labelled.rounds, RULES).calls
    labelled.clock.advance(-HOUR)
    assert (Job.TRAIN, {"round_id": row.id}) in sweep(labelled.rounds, RULES).calls
    assert (Job.TRAIN, {"round_id": row.id}) not in sweep(labelled.rounds, RULES).calls
    settled(labelled, drill)


@pytest.mark.fault(CLOCK, done="after a run that pushed was killed")
def test_the_next_run_follows_the_champion_at_once(labelled: World, drill: Drill) -> None:
    labelled.model()
    rules = PreannotateRules()
    lease_of(labelled.preannotate, rules, labelled.project.id).take()
    labelled.clock.advance(-HOUR)
    assert follow_champion(labelled.preannotate, rules, labelled.project.id).version == "p1-v1"
    settled(labelled, drill)


@pytest.mark.fault(CLOCK, done="between two looks at Label Studio; labels come before, after and much later")
def test_labels_that_seem_older_than_the_last_look_are_mirrored(labelled: World, drill: Drill) -> None:
    labelled.label(2)
    labelled.clock.advance(-HOUR)
    labelled.label(2)
    labelled.clock.advance(1200)  # nobody looked for longer than the overlap
    labelled.label(2)
    reconcile(labelled.ingest, labelled.project.id)
    assert len(labelled.current()) == 18
    labelled.label(2)
    reconcile(labelled.ingest, labelled.project.id)
    assert len(labelled.current()) == 20
    settled(labelled, drill)


@pytest.mark.fault(CLOCK, done="between a label and its correction, skip and deletion")
def test_a_correction_that_seems_older_than_the_label_counts(labelled: World, drill: Drill) -> None:
    fixed, skipped, gone = labelled.label(3)
    reconcile(labelled.ingest, labelled.project.id)
    labelled.clock.advance(-HOUR)
    labelled.studio.update(fixed, result=[])
    labelled.studio.update(skipped, was_cancelled=True)
    labelled.studio.delete_annotation(gone)
    for _ in range(2):
        reconcile(labelled.ingest, labelled.project.id)
        decisions = [_decision(labelled, each) for each in (fixed, skipped, gone)]
        assert decisions == [Decision.NO_VEIN, Decision.SKIPPED, Decision.DELETED]
    labelled.studio.update(skipped, was_cancelled=False)
    reconcile(labelled.ingest, labelled.project.id)
    assert _decision(labelled, skipped) is not Decision.SKIPPED
    settled(labelled, drill)


def test_a_stale_listing_is_no_clock_that_was_turned_back(labelled: World) -> None:
    (label,) = labelled.label(1)
    stale = labelled.studio.get_annotation(label)
    labelled.studio.update(label, result=[])
    reconcile(labelled.ingest, labelled.project.id)
    frame = labelled.frame_of(stale.task_id)
    before = labelled.history(frame)
    ingest_annotation(labelled.ingest, frame, stale)
    assert labelled.history(frame) == before


@pytest.mark.fault(CLOCK, done="after a round was judged; new labels come with earlier times")
def test_labels_after_a_round_are_new_whatever_the_clock_says(labelled: World, drill: Drill) -> None:
    row, _ = at_gate(labelled)
    judged(labelled, row, 0.5)
    before = _count(labelled)
    labelled.clock.advance(-HOUR)
    label_until(labelled, 16)
    assert before == 0
    assert _count(labelled) >= 4
    settled(labelled, drill)


def _count(world: World) -> int:
    with world.database.read() as uow:
        return count_labels(uow, world.project.id).new


def _decision(world: World, annotation_id: int) -> Decision | None:
    with world.database.read() as uow:
        found = uow.masks.latest(annotation_id)
    return found.decision if found else None
