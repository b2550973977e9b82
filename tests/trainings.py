"""Trainings on discs, run to their end or interrupted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from trainer.becoming import finish
from trainer.checkpoint import CHECKPOINT
from trainer.endings import Stopped
from trainer.job import JobSpec
from trainer.training import EpochReport, Step, Training, begin, train


@dataclass(frozen=True)
class Run:
    digest: str
    path: Path
    config: dict[str, Any]
    reports: list[EpochReport]
    steps: list[Step]


class SlowDisk:
    """A clock by which every new checkpoint took `cost` seconds, and else passes what is added to `now`."""

    def __init__(self, folder: Path, cost: float) -> None:
        self.now, self._cost = 0.0, cost
        self._path, self._seen = folder / CHECKPOINT, (0, 0)

    def __call__(self) -> float:
        if self._path.exists():
            found = self._path.stat()
            before, self._seen = self._seen, (found.st_ino, found.st_mtime_ns)
            self.now += self._cost * (before != self._seen)
        return self.now


def run(training: Training) -> Run:
    steps: list[Step] = []
    reports = list(train(training, steps.append))
    path, digest, config = finish(training)
    return Run(digest, path, config, reports, steps)


def stopped_after(job: JobSpec, steps: int) -> None:
    def watch(now: Step) -> None:
        if now.step == steps:
            raise Stopped

    with pytest.raises(Stopped):
        list(train(begin(job), watch))
