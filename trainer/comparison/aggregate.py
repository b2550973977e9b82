"""From judged frames to the figures of the table: values with intervals, and paired differences. Pure.

Every figure is the mean over the seeds that are there. An interval comes from drawing whole groups (patients,
else clips) and, where there are several, seeds, both with replacement; all networks share the drawings.

A difference is one of pairs: of runs with the same seed, and of a mean over frames at the frames where both
runs have a value. So it need not be the difference of the networks' own figures, whose frames may be others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loop.errors import BadRequest
from trainer.comparison.judge import JudgedFrame
from trainer.comparison.statistic import STATISTICS, FrameArrays, to_arrays
from trainer.metrics import Resampling, as_observed, interval, one_by_one, resample
from trainer.metrics.counts import class_mean
from trainer.metrics.summary import known

Floats = NDArray[np.float64]
BOOTSTRAP_SEED = 0


@dataclass(frozen=True)
class Figure:
    """A value and its 95 % interval; None where nothing defines it, and without an interval where fewer than
    three groups do; `clips` is how many groups define it.
    """

    value: float | None
    low: float | None
    high: float | None
    clips: int


@dataclass(frozen=True)
class NetworkFigures:
    """All figures of one network, by statistic; `by_class` the same for each class against all else."""

    network: str
    figures: Mapping[str, Figure]
    by_class: tuple[Mapping[str, Figure], ...]


@dataclass(frozen=True)
class Difference:
    """`network` minus `reference` by statistic, frame by frame where it is a mean over frames."""

    network: str
    reference: str
    figures: Mapping[str, Figure]


BySeed = Mapping[int, FrameArrays]


@dataclass(frozen=True)
class Drawings:
    """What all networks are judged by: the drawings of groups, and `seeds` float64 (B, S), how often each
    holds each seed; `alone` are the groups one by one.
    """

    observed: Resampling
    alone: Resampling
    groups: Resampling
    seeds: Floats


def draw(groups: Sequence[str], seeds: int, number: int = 2000) -> Drawings:
    """Make the drawings for frames of these groups and so many seeds. Raises BadRequest without a frame."""
    drawn = np.random.default_rng([BOOTSTRAP_SEED, 1]).integers(seeds, size=(number, seeds))
    weights = np.stack([np.bincount(row, minlength=seeds) for row in drawn]).astype(np.float64)
    drawings = resample(groups, number, BOOTSTRAP_SEED)
    return Drawings(as_observed(groups), one_by_one(groups), drawings, weights)


def aggregate(
    runs: Mapping[str, Sequence[Sequence[JudgedFrame] | None]], drawings: int = 2000
) -> tuple[list[NetworkFigures], list[Difference]]:
    """All figures of every network, and the differences to the first; `runs` holds for each network the
    judged frames of each of its seeds, None for one that has none, and one at least.

    Raises BadRequest when the runs are not of the same frames in the same order, or of no frame.
    """
    groups = _common_groups([frames for seeds in runs.values() for frames in seeds if frames])
    drawn = draw(groups, max(len(seeds) for seeds in runs.values()), drawings)
    arrays = {
        network: {seed: to_arrays(frames) for seed, frames in enumerate(seeds) if frames}
        for network, seeds in runs.items()
    }
    values = {network: _all_statistics(each, drawn) for network, each in arrays.items()}
    classes = next(iter(next(iter(arrays.values())).values())).totals.shape[2]
    figures = [
        NetworkFigures(
            network,
            {name: _figure(drawn) for name, drawn in values[network].items()},
            tuple(
                {
                    name: _figure(of_class)
                    for name, of_class in _all_statistics(_of_class(each, c), drawn).items()
                }
                for c in range(classes if classes > 1 else 0)
            ),
        )
        for network, each in arrays.items()
    ]
    first, *others = runs
    return figures, [
        Difference(other, first, _differences(arrays[other], arrays[first], drawn)) for other in others
    ]


@dataclass(frozen=True)
class Drawn:
    """A statistic as observed, in each drawing, float64 (B,), and of each group alone, float64 (G,)."""

    value: float
    drawings: Floats
    alone: Floats


def _of_class(seeds: BySeed, number: int) -> BySeed:
    return {seed: each.of_class(number) for seed, each in seeds.items()}


def _all_statistics(seeds: BySeed, drawn: Drawings) -> dict[str, Drawn]:
    return {
        name: _over_seeds({seed: partial(statistic.of, each) for seed, each in seeds.items()}, drawn)
        for name, statistic in STATISTICS.items()
    }


def _differences(one: BySeed, other: BySeed, drawn: Drawings) -> dict[str, Figure]:
    common = [seed for seed in one if seed in other]
    return {
        name: _figure(
            _over_seeds({seed: partial(statistic.between, one[seed], other[seed]) for seed in common}, drawn)
        )
        for name, statistic in STATISTICS.items()
    }


def _over_seeds(seeds: Mapping[int, Callable[[Resampling], Floats]], drawn: Drawings) -> Drawn:
    """The mean over seeds of what each gives in drawings; undefined where there is no seed."""
    if not seeds:
        groups = drawn.alone.weights.shape[1]
        return Drawn(np.nan, np.full(len(drawn.seeds), np.nan), np.full(groups, np.nan))
    observed = np.stack([of(drawn.observed) for of in seeds.values()])  # (S, 1)
    resampled = np.stack([of(drawn.groups) for of in seeds.values()], axis=1)  # (B, S)
    there = ~np.isnan(resampled)
    weights = drawn.seeds[:, list(seeds)] * there
    total = weights.sum(axis=1)
    sums = (weights * np.where(there, resampled, 0.0)).sum(axis=1)
    means = np.divide(sums, total, out=np.full(len(total), np.nan), where=total > 0)
    alone = class_mean(np.stack([of(drawn.alone) for of in seeds.values()], axis=1))  # (G,)
    return Drawn(float(class_mean(observed[:, 0])), means, alone)


def _figure(drawn: Drawn) -> Figure:
    found = interval(drawn.drawings, drawn.alone)
    return Figure(known(drawn.value), found.low, found.high, found.clips)


def _common_groups(runs: Sequence[Sequence[JudgedFrame]]) -> list[str]:
    named: list[list[Any]] = [[(each.number, each.group) for each in frames] for frames in runs]
    if not named or any(frames != named[0] for frames in named):
        raise BadRequest(
            "results on different frames", "every run on the same, in order", "choose another --out"
        )
    return [group for _, group in named[0]]
