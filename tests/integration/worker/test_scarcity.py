"""Memory and room that run out under a round, and a broker that hands it out twice; all of it real."""

from __future__ import annotations

import resource
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from cli.round_words import describe_round
from loop.planning import plan
from loop.training_records import Round, RoundState
from tests.discs import TINY
from tests.fault_table import Drill
from tests.integration.worker.conftest import Stage, has_a_checkpoint, is_training
from tests.invariants import Parts, export_digests
from tests.machine import give_up
from tests.services.cgroups import MemoryGroup, memory_group
from tests.services.disks import small_disk
from tests.services.homes import label_studio_of, make_home, parts_with
from trainer.job import read_job
from worker.folder import RoundFolder

pytestmark = [pytest.mark.services, pytest.mark.slow, pytest.mark.timeout(900)]


LONG = replace(TINY, epochs=6, min_epochs=6, epoch_steps=6, steps=36)
CHECKPOINT_MEGABYTES = 20
"""Less than one checkpoint takes."""
ENOUGH_FOR_A_WORKER = 250 << 20
"""And too little for a training."""


def begin(stage: Stage, **home: object) -> Parts:
    make_home(stage.settings, **{"frames": 10, "held_out": 2, **home})  # type: ignore[arg-type]
    return parts_with(stage.container, label_studio_of(stage.container))


def plan_round(stage: Stage) -> Round:
    planned = plan(stage.container.round_ports, stage.container.round_rules, 1, is_forced=True)
    assert planned.round is not None, planned.trigger.reason
    return planned.round


def choke(pid: int) -> None:
    """Let the process have no more memory: whatever it asks for from now on is refused."""
    resource.prlimit(pid, resource.RLIMIT_AS, (1, resource.RLIM_INFINITY))


def batches(stage: Stage, round_id: int) -> list[int]:
    jobs = RoundFolder(stage.settings.root, round_id).path.glob("try-*/job.json")
    return [read_job(job).recipe.batch for job in sorted(jobs)]


def check_that_half_a_batch_did(stage: Stage, round_id: int) -> None:
    ended = stage.wait_for_end(round_id)
    assert (ended.state, ended.attempt) == (RoundState.PROMOTED, 1), ended.error
    assert batches(stage, round_id) == [LONG.batch, LONG.batch // 2]
    stage.wait_until_tidy(round_id)


def check_that_it_failed_for_memory(stage: Stage, round_id: int) -> None:
    ended = stage.wait_for_end(round_id)
    assert (ended.state, ended.attempt) == (RoundState.FAILED, 1), ended.error
    assert batches(stage, round_id) == [LONG.batch, LONG.batch // 2]
    shown = describe_round(ended)
    assert f"ran out of memory with batches of {LONG.batch} and then {LONG.batch // 2} frames" in shown
    assert "need more memory" in shown
    stage.wait_until_tidy(round_id)


@pytest.mark.fault("the training process gets no more memory", done="RLIMIT_AS in mid-training; then none")
def test_a_training_without_memory_is_tried_once_more_with_half_the_batch(stage: Stage, drill: Drill) -> None:
    parts = begin(stage, recipe=LONG.to_dict())
    before = export_digests(parts, 1)
    worker = stage.workers.start("train")
    round_id = plan_round(stage).id
    stage.wait_for(round_id, has_a_checkpoint)
    choke(stage.child(worker))
    with drill.recovering():
        stage.wait_for(round_id, lambda _: len(batches(stage, round_id)) == 2)
    check_that_half_a_batch_did(stage, round_id)
    drill.check(parts)
    assert export_digests(parts, 1) == before


@pytest.mark.full
@pytest.mark.fault("the training process gets no more memory", done="RLIMIT_AS in mid-training, twice")
def test_a_training_without_memory_twice_fails_and_says_so(stage: Stage, drill: Drill) -> None:
    parts = begin(stage, recipe=LONG.to_dict())
    worker = stage.workers.start("train")
    round_id = plan_round(stage).id
    for tries in (1, 2):
        wait_for_try(stage, round_id, tries)
        choke(stage.child(worker))
    check_that_it_failed_for_memory(stage, round_id)
    drill.check(parts)


def wait_for_try(stage: Stage, round_id: int, number: int) -> None:
    """Until this try trains: it has told of a step since its process began."""
    stage.wait_for(round_id, lambda row: len(batches(stage, round_id)) == number and is_training(row))
    told = stage.round(round_id).progress.get("step")
    stage.wait_for(round_id, lambda row: is_training(row) and row.progress.get("step") != told)


@pytest.mark.full
@pytest.mark.fault(
    "the kernel ends the training process for want of memory",
    done="a control group's limit in mid-training; then none",
)
def test_a_training_that_the_kernel_ended_is_tried_once_more_with_half_the_batch(
    stage: Stage, drill: Drill, group: MemoryGroup
) -> None:
    parts = begin(stage, recipe=LONG.to_dict())
    round_id = train_in(group, stage)
    with drill.recovering():
        squeeze_until(stage, round_id, group, lambda _: len(batches(stage, round_id)) == 2)
        group.let_have_all()
    check_that_half_a_batch_did(stage, round_id)
    assert f'"code": {-signal.SIGKILL}' in stage.log()
    drill.check(parts)


@pytest.mark.full
@pytest.mark.fault(
    "the kernel ends the training process for want of memory",
    done="a control group's limit in mid-training, twice",
)
def test_a_training_that_the_kernel_ended_twice_fails_and_says_so(
    stage: Stage, drill: Drill, group: MemoryGroup
) -> None:
    parts = begin(stage, recipe=LONG.to_dict())
    round_id = train_in(group, stage)
    squeeze_until(stage, round_id, group, lambda row: not row.state.is_live)
    check_that_it_failed_for_memory(stage, round_id)
    assert stage.log().count(f'"code": {-signal.SIGKILL}') == 2
    drill.check(parts)


@pytest.fixture
def group(stage: Stage) -> Iterator[MemoryGroup]:
    with memory_group() as made:
        if made is None:
            give_up("only root makes control groups, and in a container not even root")
        yield made
        stage.workers.end()


def train_in(group: MemoryGroup, stage: Stage) -> int:
    """A round that trains in the group, as its worker does, with a checkpoint behind it."""
    group.add(stage.workers.start("train").pid)
    round_id = plan_round(stage).id
    stage.wait_for(round_id, has_a_checkpoint)
    return round_id


def squeeze_until(stage: Stage, round_id: int, group: MemoryGroup, is_so: Callable[[Round], bool]) -> None:
    """Leave the group what it holds, again and again, so that what a step takes more is too much."""

    def is_so_or_squeeze(row: Round) -> bool:
        if not (found := is_so(row)):
            group.squeeze(ENOUGH_FOR_A_WORKER)
        return found

    stage.wait_for(round_id, is_so_or_squeeze)


@pytest.mark.fault("the disk is full at a checkpoint", done="rounds/ on a disk of 20 MB; then room is made")
def test_a_round_without_room_fails_with_that_reason_and_the_next_one_runs(
    stage: Stage, drill: Drill
) -> None:
    parts = begin(stage)
    before = export_digests(parts, 1)
    with small_disk(stage.settings.root / "rounds", CHECKPOINT_MEGABYTES) as disk:
        worker = stage.workers.start("train")
        disk.limit(worker.pid)
        first = stage.wait_for_end(plan_round(stage).id)
        assert first.state is RoundState.FAILED
        assert "room" in str(first.error)
        stage.wait_until_tidy(first.id)
        drill.check(parts)
        disk.make_room()
        with drill.recovering():
            second = stage.wait_for_end(plan_round(stage).id)
        assert second.state is RoundState.PROMOTED, second.error
        stage.wait_until_tidy(second.id)
        drill.check(parts)
    assert export_digests(parts, 1) == before


@pytest.mark.full
@pytest.mark.fault(
    "Redis hands a running round out again", done="a visibility timeout of 2 s, two train workers"
)
def test_a_second_copy_of_the_message_ends_at_the_lease(stage: Stage, drill: Drill) -> None:
    parts = begin(stage, recipe=LONG.to_dict())
    for _ in range(2):
        stage.workers.start_module("tests.integration.worker.impatient")
    round_id = plan_round(stage).id
    ended = stage.wait_for_end(round_id)
    assert (ended.state, ended.attempt) == (RoundState.PROMOTED, 1)
    stage.wait_for(round_id, lambda _: "round_not_claimed" in stage.log())
    with stage.container.database.read() as uow:
        assert [version.number for version in uow.models.list(1)] == [0, 1]
    stage.wait_until_tidy(round_id)
    drill.check(parts)
