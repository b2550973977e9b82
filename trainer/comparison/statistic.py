"""The statistics of a comparison: what is computed of the judged frames of a run, and between two runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainer.comparison.judge import JudgedFrame
from trainer.metrics import Resampling, overall
from trainer.metrics.calibration import expected_error, stack_bins
from trainer.metrics.counts import class_mean, stack, stack_background
from trainer.metrics.surface import surface_values

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class FrameArrays:
    """The judged frames of one run: counts (N, 4, C), pixels that truth and network both give to no class
    (N,), distances (N, C) in px by name, bins (N, 3, C, 15).
    """

    totals: NDArray[np.int64]
    background: Floats
    distances: Mapping[str, Floats]
    bins: Floats

    def of_class(self, number: int) -> FrameArrays:
        """The same of one class against all else, which is its background."""
        one = slice(number, number + 1)
        return FrameArrays(
            totals=self.totals[:, :, one],
            background=self.totals[:, 3, number].astype(np.float64),
            distances={name: values[:, one] for name, values in self.distances.items()},
            bins=self.bins[:, :, one],
        )

    def of_frames(self, name: str) -> Floats:
        """A measure from pixels of every frame, its classes together, float64 (N,); NaN where undefined."""
        return overall(name, self.totals, self.background)


def to_arrays(frames: Sequence[JudgedFrame]) -> FrameArrays:
    """Stack the judged frames of one run. Raises BadRequest for none."""
    surfaces = [each.surface for each in frames]
    distances = {name: surface_values(surfaces, name) for name in ("hd95", "assd")}
    distances |= {f"{name}_worst": surface_values(surfaces, name, is_worst=True) for name in ("hd95", "assd")}
    counts = [each.counts for each in frames]
    return FrameArrays(
        stack(counts), stack_background(counts), distances, stack_bins([f.bins for f in frames])
    )


@dataclass(frozen=True)
class PerFrame:
    """The mean of a value of each frame, float64 (N,), NaN where a frame has none."""

    values: Callable[[FrameArrays], Floats]

    def of(self, run: FrameArrays, drawn: Resampling) -> Floats:
        """It in each drawing, float64 (B,)."""
        return drawn.means(self.values(run))

    def between(self, run: FrameArrays, other: FrameArrays, drawn: Resampling) -> Floats:
        """How much more it is of one run, over the frames where both have a value."""
        return drawn.means(self.values(run) - self.values(other))


@dataclass(frozen=True)
class OfAllFrames:
    """What all frames of a drawing give together: every one counts, for whichever network."""

    value: Callable[[FrameArrays, Resampling], Floats]

    def of(self, run: FrameArrays, drawn: Resampling) -> Floats:
        """It in each drawing, float64 (B,)."""
        return self.value(run, drawn)

    def between(self, run: FrameArrays, other: FrameArrays, drawn: Resampling) -> Floats:
        """How much more it is of one run, over the same frames."""
        return self.value(run, drawn) - self.value(other, drawn)


Statistic = PerFrame | OfAllFrames


def _pooled(name: str) -> Statistic:
    return OfAllFrames(lambda run, drawn: overall(name, drawn.sums(run.totals), drawn.sums(run.background)))


def _per_frame(name: str) -> Statistic:
    return PerFrame(lambda run: run.of_frames(name))


def _distance(name: str) -> Statistic:
    return PerFrame(lambda run: class_mean(run.distances[name]))


def _empty_as_one(frames: FrameArrays) -> Floats:
    dice = frames.of_frames("dice")
    return np.where(np.isnan(dice), 1.0, dice)


def _ece(frames: FrameArrays, drawn: Resampling) -> Floats:
    return class_mean(expected_error(*np.moveaxis(drawn.sums(frames.bins), 1, 0)))


STATISTICS: dict[str, Statistic] = {
    "acc": _pooled("acc"),
    "miou": _pooled("miou"),
    "dice": _per_frame("dice"),
    "dice_empty_as_one": PerFrame(_empty_as_one),
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
    "ece": OfAllFrames(_ece),
}
"""Where no other word is said a statistic is the mean over frames; acc, miou and ece are pooled."""
