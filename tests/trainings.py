"""Trainings on discs, run to their end or interrupted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from trainer.becoming import finish
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
