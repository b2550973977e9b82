"""Trainings of a comparison that have no result: which they are, why, and what helps."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from loop.errors import BadWeights, NotFound, OutOfSpace, SonoloopError, TrainingFailed, Unavailable
from trainer.durable import write_whole

FAILURE = "failed.json"
OF_ONE = (TrainingFailed, BadWeights, NotFound, Unavailable)
"""What may befall one network or seed while the others can be trained."""


@dataclass(frozen=True)
class Failure:
    """A run without a result, with the words of the error that it ended by."""

    network: str
    seed: int
    got: str
    need: str
    todo: str

    @property
    def run(self) -> str:
        """How the run is called: `fcn8s seed 1`."""
        return f"{self.network} seed {self.seed}"

    @property
    def cure(self) -> str:
        """What to do, without the end of a log that may stand below it."""
        return self.todo.partition("\n")[0]


def concerns_one(error: SonoloopError) -> bool:
    """Whether an error is of its run alone. Others, such as a full disk or a frame that is damaged in the
    folder, would befall the next run as well.
    """
    return isinstance(error, OF_ONE) and not isinstance(error, OutOfSpace)


def keep_failure(folder: Path, protocol: str, failure: Failure) -> None:
    """Note in a run's folder how it failed. Raises OutOfSpace."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {"protocol": protocol, **asdict(failure)}
    write_whole(folder / FAILURE, (json.dumps(content, indent=1) + "\n").encode())


def drop_failure(folder: Path) -> None:
    """Forget how a run failed: it is tried again."""
    (folder / FAILURE).unlink(missing_ok=True)


def read_failure(folder: Path, digests: Collection[str]) -> Failure | None:
    """What `keep_failure` noted under a protocol of one of these digests; None where there is nothing."""
    try:
        values = json.loads((folder / FAILURE).read_text(encoding="utf-8"))
        return Failure(**values) if values.pop("protocol") in digests else None
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None


def to_error(failures: Sequence[Failure], runs: int) -> TrainingFailed:
    """One error that names them all, of so many runs, each reason and each cure once."""
    if len(failures) == 1:
        [one] = failures
        return TrainingFailed(one.got, one.need, one.todo, network=one.network, seed=one.seed)
    of_reason: dict[str, list[str]] = {}
    for each in failures:
        of_reason.setdefault(each.got, []).append(each.run)
    said = "; ".join(f"{', '.join(names)}: {got}" for got, names in of_reason.items())
    cures = dict.fromkeys(each.cure for each in failures)
    got = f"{len(failures)} of {runs} trainings without a result ({said})"
    return TrainingFailed(got, "a model of each", "\n".join(cures))
