"""Dear checkpoints are written seldom, and a training that was asked to end, or killed, is none the worse."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from loop.errors import OutOfSpace
from loop.training_records import Split
from tests.discs import SPLITS, disc_job
from tests.trainings import Run, SlowDisk, run
from trainer.checkpoint import BEST, Progress, load_best, load_checkpoint, save_best
from trainer.choosing import CHOOSING_FRAMES
from trainer.endings import Stopped
from trainer.job import JobSpec
from trainer.keeping import Keeper
from trainer.training import Step, begin, train

CHOOSING = {Split.TRAIN: 8, Split.INNER: CHOOSING_FRAMES}


class Killed(BaseException):
    """As SIGKILL, nothing of the training hears of it."""


def kept_epoch(job: JobSpec) -> int:
    found = load_checkpoint(job.out, job)
    return found.progress.epoch if found else 0


def bests(job: JobSpec) -> list[str]:
    return sorted(path.name for path in job.out.glob(BEST.format(epoch="*")))


@contextmanager
def file_limit(size: int) -> Iterator[None]:
    """No file may grow beyond so many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def written_epochs(folder: Path, epochs: int, seconds: float, cost: float) -> list[int]:
    """Which of so many epochs of so many seconds are written where a checkpoint costs so much."""
    job = disc_job(folder)
    disk = SlowDisk(job.out, cost)
    keeper, written = Keeper(job, disk), []
    for epoch in range(1, epochs + 1):
        disk.now += seconds
        keeper.end_epoch(Progress("float32", epoch), {"network.x": torch.zeros(3)}, epoch == epochs)
        if kept_epoch(job) == epoch:
            written.append(epoch)
    return written


@pytest.mark.parametrize(
    ("seconds", "cost", "expected"),
    [
        (1.0, 2.5, [1, 26, 40]),
        (30.0, 2.5, [*range(1, 41)]),
        (0.5, 0.2, [*range(1, 41)]),
        (1.0, 1.0, [1, 11, 21, 31, 40]),
    ],
    ids=["large network on a card", "long epochs", "cheap", "in between"],
)
def test_ten_times_what_the_last_one_took_is_trained_before_the_next(
    tmp_path: Path, seconds: float, cost: float, expected: list[int]
) -> None:
    assert written_epochs(tmp_path, 40, seconds, cost) == expected


@pytest.mark.parametrize(("cost", "kept"), [(0.0, [1, 2, 3]), (9.0, [1, 1, 3])], ids=["cheap", "dear"])
def test_a_training_writes_its_first_and_its_last_epoch_and_ends_the_same(
    tmp_path: Path, reference: Run, cost: float, kept: list[int]
) -> None:
    job = disc_job(tmp_path)
    training = begin(job, SlowDisk(job.out, cost))
    assert [kept_epoch(job) for _ in train(training)] == kept
    assert bests(job) == [BEST.format(epoch=training.progress.best_epoch)]
    assert run(training).digest == reference.digest


@pytest.mark.parametrize("splits", [SPLITS, CHOOSING], ids=["last epoch", "best epoch"])
def test_one_that_is_killed_after_an_epoch_that_was_not_written_ends_as_if_it_had_not_been(
    tmp_path: Path, splits: dict[Split, int]
) -> None:
    first = disc_job(tmp_path, splits=splits, out="first")

    def kill(now: Step) -> None:
        if now.step == 5:
            raise Killed

    killed = begin(first, SlowDisk(first.out, 9.0))
    with pytest.raises(Killed):
        list(train(killed, kill))
    assert (killed.progress.epoch, kept_epoch(first)) == (2, 1)
    assert bests(first) == [BEST.format(epoch=1)], "the checkpoint finds the best that it knew"
    again = begin(disc_job(tmp_path, out="second", splits=splits, resume_from=first.out))
    assert again.progress.epoch == 1
    assert run(again).digest == run(begin(disc_job(tmp_path, splits=splits, out="whole"))).digest


@pytest.mark.parametrize("ending", [Stopped, BrokenPipeError])
def test_one_that_is_asked_to_end_keeps_the_last_whole_epoch(
    tmp_path: Path, reference: Run, ending: type[Exception]
) -> None:
    first = disc_job(tmp_path, out="first")

    def stop(now: Step) -> None:
        if now.step == 5:
            raise ending

    with pytest.raises(ending):
        list(train(begin(first, SlowDisk(first.out, 9.0)), stop))
    assert kept_epoch(first) == 2
    again = begin(disc_job(tmp_path, out="second", resume_from=first.out))
    assert again.progress.epoch == 2
    assert run(again).digest == reference.digest


def test_one_whose_reports_nobody_takes_any_more_keeps_the_last_whole_epoch(tmp_path: Path) -> None:
    job = disc_job(tmp_path)
    epochs = train(begin(job, SlowDisk(job.out, 9.0)))
    assert [next(epochs).epoch, next(epochs).epoch, kept_epoch(job)] == [1, 2, 1]
    epochs.close()  # type: ignore[attr-defined]
    assert kept_epoch(job) == 2


def test_what_is_held_is_what_the_epoch_gave_whatever_the_next_steps_change(tmp_path: Path) -> None:
    job = disc_job(tmp_path)
    keeper, weights = Keeper(job, SlowDisk(job.out, 9.0)), torch.zeros(3)
    for epoch in (1, 2):
        progress = Progress("float32", epoch, best_epoch=epoch)
        weights += 1
        keeper.hold_best(epoch, {"x": weights})
        keeper.end_epoch(progress, {"network.x": weights}, is_last=False)
    weights += 1
    progress.epoch = 3
    assert bests(job) == [BEST.format(epoch=1)]
    keeper.flush()
    found = load_checkpoint(job.out, job)
    assert found is not None
    assert (found.progress.epoch, found.progress.best_epoch) == (2, 2)
    assert found.tensors["network.x"].tolist() == found.best["x"].tolist() == [2.0] * 3
    assert bests(job) == [BEST.format(epoch=2)]


def test_a_crash_between_the_two_files_leaves_the_older_pair(tmp_path: Path) -> None:
    job = disc_job(tmp_path)
    keeper = Keeper(job)
    keeper.hold_best(1, {"x": torch.ones(3)})
    keeper.end_epoch(Progress("float32", 1, best_epoch=1), {"network.x": torch.ones(3)}, is_last=False)
    save_best(job.out, 2, {"x": torch.zeros(3)})  # and the process dies before its checkpoint
    found = load_checkpoint(job.out, job)
    assert found is not None
    assert found.best["x"].tolist() == [1.0] * 3


def test_a_full_disk_leaves_the_older_pair_whole(tmp_path: Path) -> None:
    job = disc_job(tmp_path)
    keeper = Keeper(job)
    keeper.hold_best(1, {"x": torch.ones(3)})
    keeper.end_epoch(Progress("float32", 1, best_epoch=1), {"network.x": torch.ones(3)}, is_last=False)
    keeper.hold_best(2, {"x": torch.zeros(3)})
    with file_limit(4 << 10), pytest.raises(OutOfSpace):
        keeper.end_epoch(Progress("float32", 2, best_epoch=2), {"network.x": torch.ones(9999)}, is_last=True)
    assert kept_epoch(job) == 1
    assert load_best(job.out, 1)["x"].tolist() == [1.0] * 3
    assert not list(job.out.glob("*.part"))
