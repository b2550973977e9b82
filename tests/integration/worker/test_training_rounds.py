"""Training rounds by real worker processes: the way through, and every way to die on it."""

from __future__ import annotations

import os
import signal
from dataclasses import replace

import pytest

from loop.planning import plan
from loop.rounds import cancel
from loop.sweep import sweep
from loop.training_records import Round, RoundState
from tests.discs import TINY
from tests.fault_table import Drill
from tests.integration.worker.conftest import Stage, has_a_checkpoint, is_training
from tests.invariants import Parts, export_digests
from tests.machine import is_alive, wait_until
from tests.services.homes import label_studio_of, make_home, parts_with
from trainer.recipes import Recipe

pytestmark = [pytest.mark.services, pytest.mark.slow, pytest.mark.timeout(900)]

LONG = replace(TINY, epochs=8, min_epochs=8, epoch_steps=12, steps=96)
"""Long enough to be interrupted in the middle."""


def begin(stage: Stage, *, frames: int = 10, held_out: int = 2, recipe: Recipe = LONG) -> Parts:
    """A home to train in, and what is to hold of it whatever happens."""
    make_home(stage.settings, frames=frames, held_out=held_out, recipe=recipe.to_dict())
    return parts_with(stage.container, label_studio_of(stage.container))


def plan_round(stage: Stage) -> Round:
    planned = plan(stage.container.round_ports, stage.container.round_rules, 1, is_forced=True)
    assert planned.round is not None, planned.trigger.reason
    return planned.round


def test_a_planned_round_is_trained_judged_and_promoted(stage: Stage) -> None:
    make_home(stage.settings, frames=12, held_out=3)
    stage.workers.start("train")
    ended = stage.wait_for_end(plan_round(stage).id)
    assert ended.state is RoundState.PROMOTED, ended.error
    assert ended.verdict is not None
    assert ended.attempt == 1
    with stage.container.database.read() as uow:
        champion = uow.models.get(uow.projects.get(1).champion_id or 0)
        waiting = uow.outbox.pending()
    assert champion.name == "p1-v1"
    assert champion.round_id == ended.id
    assert stage.container.storage.exists("models", champion.digest)
    assert [message.payload["model_version_id"] for message in waiting] == [champion.id]
    stage.wait_until_tidy(ended.id)


@pytest.mark.fault("SIGKILL of the training process in mid-epoch", done="kill -9 after the second checkpoint")
def test_a_killed_training_goes_on_from_its_checkpoint(stage: Stage, drill: Drill) -> None:
    parts = begin(stage)
    before = export_digests(parts, 1)
    worker = stage.workers.start("train")
    round_id = plan_round(stage).id
    stage.wait_for(round_id, has_a_checkpoint)
    os.kill(stage.child(worker), signal.SIGKILL)
    with drill.recovering():
        resumed = stage.wait_for(round_id, lambda row: bool(row.progress.get("resumed")))
    assert resumed.attempt == 2
    assert resumed.progress["resumed"] >= 1
    assert stage.wait_for_end(round_id).state is RoundState.PROMOTED
    stage.wait_until_tidy(round_id)
    drill.check(parts)
    assert export_digests(parts, 1) == before


@pytest.mark.fault("SIGKILL of the train worker", done="kill -9 in mid-training; then another worker")
def test_a_killed_worker_takes_its_training_with_it_and_another_one_goes_on(
    stage: Stage, drill: Drill
) -> None:
    parts = begin(stage)
    first = stage.workers.start("train")
    round_id = plan_round(stage).id
    stage.wait_for(round_id, has_a_checkpoint)
    child = stage.child(first)
    first.kill()
    wait_until(lambda: not is_alive(child), "the end of the training", 15)
    stage.workers.start("train")

    def sweep_and_look(row: Round) -> bool:
        sweep(stage.container.round_ports, stage.container.round_rules)
        return bool(row.progress.get("resumed"))

    with drill.recovering():
        resumed = stage.wait_for(round_id, sweep_and_look)
    assert (resumed.attempt, resumed.state) == (2, RoundState.TRAINING)
    drill.check(parts)


@pytest.mark.full
def test_a_worker_that_is_asked_to_end_hands_its_round_back_at_once(stage: Stage) -> None:
    make_home(stage.settings, frames=10, held_out=2, recipe=LONG.to_dict())
    first = stage.workers.start("train")
    round_id = plan_round(stage).id
    stage.wait_for(round_id, has_a_checkpoint)
    first.terminate()
    assert first.wait(20) == 0
    assert stage.round(round_id).lease_until is None
    stage.workers.start("train")
    assert stage.wait_for(round_id, lambda row: bool(row.progress.get("resumed"))).attempt == 2


@pytest.mark.fault("cancel in mid-training", done="asked for while a real process trains")
def test_a_cancelled_round_stops_within_ten_seconds(stage: Stage, drill: Drill) -> None:
    parts = begin(stage)
    worker = stage.workers.start("train")
    round_id = plan_round(stage).id
    stage.wait_for(round_id, is_training)
    child = stage.child(worker)
    cancel(stage.container.round_ports, 1)
    with drill.recovering():
        ended = stage.wait_for_end(round_id, seconds=10)
    assert ended.state is RoundState.CANCELLED
    assert not is_alive(child)
    stage.wait_until_tidy(round_id)
    drill.check(parts)


@pytest.mark.fault("Redis dies while a round trains", done="kill -9 of Redis, which stays away")
def test_a_round_survives_the_loss_of_redis(stage: Stage, drill: Drill) -> None:
    parts = begin(stage, recipe=TINY)
    stage.workers.start("train")
    round_id = plan_round(stage).id
    stage.wait_for(round_id, is_training)
    stage.redis.kill()
    with drill.recovering():
        ended = stage.wait_for_end(round_id)
    assert (ended.state, ended.attempt) == (RoundState.PROMOTED, 1)
    stage.wait_until_tidy(round_id)
    drill.check(parts)
