"""From judged frames to the figures of the table: values with intervals, and paired differences. Pure.

Every figure is the mean over the seeds that are there. An interval comes from drawing whole groups (patients,
else clips) and, where there are several, seeds, both with replacement; all networks share the drawings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loop.errors import BadRequest
from trainer.comparison.judge import JudgedFrame
from trainer.metrics import MEASURES, Resampling, as_observed, interval, one_by_one, resample
from trainer.metrics.calibration import expected_error, stack_bins
from trainer.metrics.counts import class_mean, stack
from trainer.metrics.summary import known
from trainer.metrics.surface import surface_values

Floats = NDArray[np.float64]
BOOTSTRAP_SEED = 0


@dataclass(frozen=True)
class Figure:
    """A value and its 95 % interval; None where nothing defines it, and without an interval where fewer than
    two groups do.
    """

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class NetworkFigures:
    """All figures of one network, by statistic; `by_class` the same for each class alone."""

    network: str
    figures: Mapping[str, Figure]
    by_class: tuple[Mapping[str, Figure], ...]


@dataclass(frozen=True)
class Difference:
    """`network` minus `reference` by statistic, each drawing in pairs."""

    network: str
    reference: str
    figures: Mapping[str, Figure]


@dataclass(frozen=True)
class FrameArrays:
    """The judged frames of one run: counts (N, 4, C), distances (N, C) in px by name, bins (N, 3, C, 15)."""

    totals: NDArray[np.int64]
    distances: Mapping[str, Floats]
    bins: Floats

    def of_class(self, number: int) -> FrameArrays:
        """The same of one class alone."""
        one = slice(number, number + 1)
        distances = {name: values[:, one] for name, values in self.distances.items()}
        return replace(self, totals=self.totals[:, :, one], distances=distances, bins=self.bins[:, :, one])


BySeed = Mapping[int, FrameArrays]
Statistic = Callable[[FrameArrays, Resampling], Floats]


def _pooled(name: str) -> Statistic:
    return lambda frames, drawn: drawn.pooled(frames.totals, MEASURES[name])


def _per_frame(name: str) -> Statistic:
    return lambda frames, drawn: drawn.means(class_mean(MEASURES[name](*np.moveaxis(frames.totals, 1, 0))))


def _distance(name: str) -> Statistic:
    return lambda frames, drawn: drawn.means(class_mean(frames.distances[name]))


def _empty_as_one(frames: FrameArrays, drawn: Resampling) -> Floats:
    dice = class_mean(MEASURES["dice"](*np.moveaxis(frames.totals, 1, 0)))
    return drawn.means(np.where(np.isnan(dice), 1.0, dice))


def _ece(frames: FrameArrays, drawn: Resampling) -> Floats:
    return drawn.pooled(frames.bins, expected_error)


STATISTICS: dict[str, Statistic] = {
    "acc": _pooled("acc"),
    "miou": _pooled("miou"),
    "dice": _per_frame("dice"),
    "dice_empty_as_one": _empty_as_one,
    "dice_pooled": _pooled("dice"),
    "iou": _per_frame("iou"),
    "iou_pooled": _pooled("iou"),
    "sensitivity": _per_frame("sensitivity"),
    "sensitivity_pooled": _pooled("sensitivity"),
    "specificity": _per_frame("specificity"),
    "specificity_pooled": _pooled("specificity"),
    "precision": _per_frame("precision"),
    "precision_pooled": _pooled("precision"),
    "hd95": _distance("hd95"),
    "hd95_worst": _distance("hd95_worst"),
    "assd": _distance("assd"),
    "assd_worst": _distance("assd_worst"),
    "ece": _ece,
}
"""Where no other word is said a statistic is the mean over frames; acc, miou and ece are pooled."""


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


def to_arrays(frames: Sequence[JudgedFrame]) -> FrameArrays:
    """Stack the judged frames of one run. Raises BadRequest for none."""
    surfaces = [each.surface for each in frames]
    distances = {name: surface_values(surfaces, name) for name in ("hd95", "assd")}
    distances |= {f"{name}_worst": surface_values(surfaces, name, is_worst=True) for name in ("hd95", "assd")}
    return FrameArrays(
        stack([each.counts for each in frames]), distances, stack_bins([f.bins for f in frames])
    )


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
    return figures, [Difference(other, first, _minus(values[other], values[first])) for other in others]


@dataclass(frozen=True)
class Drawn:
    """A statistic as observed, in each drawing, float64 (B,), and of each group alone, float64 (G,)."""

    value: float
    drawings: Floats
    alone: Floats

    def __sub__(self, other: Drawn) -> Drawn:
        return Drawn(self.value - other.value, self.drawings - other.drawings, self.alone - other.alone)


def _of_class(seeds: BySeed, number: int) -> BySeed:
    return {seed: each.of_class(number) for seed, each in seeds.items()}


def _all_statistics(seeds: BySeed, drawn: Drawings) -> dict[str, Drawn]:
    return {name: _over_seeds(statistic, seeds, drawn) for name, statistic in STATISTICS.items()}


def _over_seeds(statistic: Statistic, seeds: BySeed, drawn: Drawings) -> Drawn:
    observed = np.stack([statistic(each, drawn.observed) for each in seeds.values()])  # (S, 1)
    resampled = np.stack([statistic(each, drawn.groups) for each in seeds.values()], axis=1)  # (B, S)
    there = ~np.isnan(resampled)
    weights = drawn.seeds[:, list(seeds)] * there
    total = weights.sum(axis=1)
    sums = (weights * np.where(there, resampled, 0.0)).sum(axis=1)
    means = np.divide(sums, total, out=np.full(len(total), np.nan), where=total > 0)
    alone = class_mean(np.stack([statistic(each, drawn.alone) for each in seeds.values()], axis=1))  # (G,)
    return Drawn(float(class_mean(observed[:, 0])), means, alone)


def _minus(one: Mapping[str, Drawn], other: Mapping[str, Drawn]) -> dict[str, Figure]:
    return {name: _figure(one[name] - other[name]) for name in STATISTICS}


def _figure(drawn: Drawn) -> Figure:
    found = interval(drawn.drawings, drawn.alone)
    return Figure(known(drawn.value), found.low, found.high)


def _common_groups(runs: Sequence[Sequence[JudgedFrame]]) -> list[str]:
    named: list[list[Any]] = [[(each.number, each.group) for each in frames] for frames in runs]
    if not named or any(frames != named[0] for frames in named):
        raise BadRequest(
            "results on different frames", "every run on the same, in order", "choose another --out"
        )
    return [group for _, group in named[0]]
