"""Metrics of segmentation: count per frame, update, compute; with both readings of empty frames.

On a frame where neither the truth nor the prediction holds a class its Dice is undefined: one reading
leaves such frames out of the mean and counts them, the other ("empty as one") takes 1. A false positive on
an empty frame is 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loop.errors import BadMask
from loop.masks import Mask

PerClass = NDArray[np.int64]


@dataclass(frozen=True)
class Counts:
    """Pixels of one frame by outcome, one number a class, int64 (C,)."""

    tp: PerClass
    fp: PerClass
    fn: PerClass
    tn: PerClass

    def to_dict(self) -> dict[str, list[int]]:
        """Give it in JSON's types."""
        return {name: getattr(self, name).tolist() for name in ("tp", "fp", "fn", "tn")}


def counts_from_dict(values: Mapping[str, Sequence[int]]) -> Counts:
    """Read what `Counts.to_dict` wrote."""
    return Counts(**{name: np.asarray(values[name], np.int64) for name in ("tp", "fp", "fn", "tn")})


def count(prediction: Mask, truth: Mask) -> Counts:
    """Compare two masks bool (C, H, W). Raises BadMask when they differ in shape or are not bool."""
    if prediction.shape != truth.shape or prediction.ndim != 3:
        raise BadMask(f"masks of shapes {prediction.shape} and {truth.shape}", "one shape (C, H, W)")
    if prediction.dtype != np.bool_ or truth.dtype != np.bool_:
        raise BadMask(f"masks of {prediction.dtype} and {truth.dtype}", "bool")

    def pixels(where: Mask) -> PerClass:
        return np.asarray(np.count_nonzero(where, axis=(1, 2)), np.int64)

    tp, predicted, true = pixels(prediction & truth), pixels(prediction), pixels(truth)
    fp, fn = predicted - tp, true - tp
    return Counts(tp, fp, fn, truth.shape[1] * truth.shape[2] - tp - fp - fn)


def frame_dice(counts: Counts) -> float | None:
    """Dice of one frame, 2 TP / (2 TP + FP + FN): the mean over the classes that truth or prediction hold.

    None when no class is there.
    """
    size = 2 * counts.tp + counts.fp + counts.fn
    there = size > 0
    return float(np.mean(2 * counts.tp[there] / size[there])) if there.any() else None


@dataclass(frozen=True)
class Scores:
    """What `Scoreboard.compute` gives; a None where nothing defines the value.

    `acc` = (TP + TN) / all pixels and `miou` = mean of foreground and background IoU are pooled over the
    pixels of all frames, as in the published study; with several classes they are taken per class and
    averaged.
    """

    frames: int
    empty_frames: int
    dice_mean: float | None
    dice_median: float | None
    dice_mean_empty_as_one: float | None
    dice_median_empty_as_one: float | None
    acc: float | None
    miou: float | None

    def to_dict(self) -> dict[str, Any]:
        """Give it in JSON's types."""
        return asdict(self)


class Scoreboard:
    """Collects frames one by one and computes all scores over them."""

    def __init__(self) -> None:
        self._frames: list[Counts] = []

    def update(self, counts: Counts) -> None:
        """Add one frame."""
        self._frames.append(counts)

    def compute(self) -> Scores:
        """Give the scores over all frames so far."""
        dice = [frame_dice(counts) for counts in self._frames]
        defined = [value for value in dice if value is not None]
        as_one = [1.0 if value is None else value for value in dice]
        return Scores(
            frames=len(dice),
            empty_frames=len(dice) - len(defined),
            dice_mean=fmean(defined) if defined else None,
            dice_median=median(defined) if defined else None,
            dice_mean_empty_as_one=fmean(as_one) if as_one else None,
            dice_median_empty_as_one=median(as_one) if as_one else None,
            acc=_pooled(self._frames, _acc),
            miou=_pooled(self._frames, _miou),
        )


def score(frames: Sequence[Counts]) -> Scores:
    """Compute the scores over frames counted before."""
    board = Scoreboard()
    for counts in frames:
        board.update(counts)
    return board.compute()


def _pooled(frames: Sequence[Counts], measure: Callable[..., NDArray[np.float64]]) -> float | None:
    if not frames:
        return None
    tp, fp, fn, tn = (sum(getattr(c, name) for c in frames) for name in ("tp", "fp", "fn", "tn"))
    return float(np.mean(measure(tp, fp, fn, tn)))


def _acc(tp: PerClass, fp: PerClass, fn: PerClass, tn: PerClass) -> NDArray[np.float64]:
    return np.asarray((tp + tn) / (tp + fp + fn + tn))


def _miou(tp: PerClass, fp: PerClass, fn: PerClass, tn: PerClass) -> NDArray[np.float64]:
    """Of an absent and unpredicted class (or background) the IoU counts 1: nothing was wrong."""
    wrong = fp + fn
    ious = [np.where(right + wrong > 0, right / np.maximum(right + wrong, 1), 1.0) for right in (tp, tn)]
    return np.asarray(np.mean(ious, axis=0))
