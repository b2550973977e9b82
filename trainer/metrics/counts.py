"""Pixels of a frame by outcome, and the measures that follow from them alone.

A measure takes (tp, fp, fn, tn), arrays of one shape, and gives float64 of that shape; NaN where it is
undefined, which is never a zero in disguise:

    dice, f1, iou   undefined where neither the truth nor the prediction holds the class
    sensitivity     undefined where the truth does not hold it
    precision       undefined where the prediction does not
    specificity     undefined where the truth fills the whole frame
    acc, miou       defined for every frame with pixels; in miou an absent and unpredicted class (or
                    background) counts 1, for nothing was wrong

Each is of one class against all else. What ACC and mIoU are of all classes together stands in `overall`. A
pixel counts as one class: where a mask has several there, as the first of the class list.

A false positive on an empty frame is 0 by dice, iou, f1 and precision. Pooled over pixels F1 and Dice are one
figure, 2 TP / (2 TP + FP + FN); f1 is there for those who look for it under that name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loop.errors import BadMask, BadRequest
from loop.masks import Mask, exclusive, union
from trainer.nearest import meant

PerClass = NDArray[np.int64]
Floats = NDArray[np.float64]
Measure = Callable[[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]], Floats]
OUTCOMES = ("tp", "fp", "fn", "tn")


@dataclass(frozen=True)
class Counts:
    """Pixels of one frame by outcome, one number a class, int64 (C,); `background` those that truth and
    prediction both give to none of the classes. None: of several classes, as records of before it was
    counted hold it.
    """

    tp: PerClass
    fp: PerClass
    fn: PerClass
    tn: PerClass
    background: int | None = None

    def __post_init__(self) -> None:
        if self.background is None and len(self.tn) == 1:
            object.__setattr__(self, "background", int(self.tn[0]))  # of one class it is no news

    def to_dict(self) -> dict[str, list[int] | int | None]:
        """Give it in JSON's types."""
        return {name: getattr(self, name).tolist() for name in OUTCOMES} | {"background": self.background}


def counts_from_dict(values: Mapping[str, Any]) -> Counts:
    """Read what `Counts.to_dict` wrote, now or before it knew `background`."""
    planes = {name: np.asarray(values[name], np.int64) for name in OUTCOMES}
    return Counts(**planes, background=values.get("background"))


def count(prediction: Mask, truth: Mask) -> Counts:
    """Compare two masks bool (C, H, W); where classes overlap the first of the list counts. Raises BadMask
    when they differ in shape or are not bool.
    """
    check_pair(prediction, truth)
    if len(truth) > 1:
        prediction, truth = exclusive(prediction)[0], exclusive(truth)[0]

    def pixels(where: Mask) -> PerClass:
        return np.asarray(np.count_nonzero(where, axis=(1, 2)), np.int64)

    tp, predicted, true = pixels(prediction & truth), pixels(prediction), pixels(truth)
    fp, fn = predicted - tp, true - tp
    size = truth.shape[1] * truth.shape[2]
    background = size - int(np.count_nonzero(union(prediction) | union(truth)))
    return Counts(tp, fp, fn, size - tp - fp - fn, background)


def check_pair(prediction: Mask, truth: Mask) -> None:
    """Raises BadMask unless both are bool and of one shape (C, H, W)."""
    if prediction.shape != truth.shape or prediction.ndim != 3:
        got = f"masks of shapes {prediction.shape} and {truth.shape}"
        raise BadMask(got, "one shape (C, H, W)", "bring the drawn one back to the frame's own size")
    if prediction.dtype != np.bool_ or truth.dtype != np.bool_:
        raise BadMask(
            f"masks of {prediction.dtype} and {truth.dtype}", "bool", "compare with a threshold first"
        )


def stack(frames: Sequence[Counts]) -> NDArray[np.int64]:
    """Counts of several frames, int64 (N, 4, C) in the order tp, fp, fn, tn. Raises BadRequest for none."""
    if not frames:
        raise BadRequest("no frames", "at least one", "give frames that have a truth")
    return np.stack([np.stack([getattr(each, name) for name in OUTCOMES]) for each in frames])


def stack_background(frames: Sequence[Counts]) -> Floats:
    """Pixels of several frames that both give to no class, float64 (N,); NaN where a record does not say."""
    return np.asarray([np.nan if f.background is None else f.background for f in frames], np.float64)


def frame_dice(counts: Counts) -> float | None:
    """Dice of one frame, 2 TP / (2 TP + FP + FN): the mean over the classes that truth or prediction hold.

    None when no class is there.
    """
    value = float(class_mean(_dice(counts.tp, counts.fp, counts.fn, counts.tn)))
    return None if np.isnan(value) else value


def find_measure(name: str) -> Measure:
    """Look a measure up. Raises BadRequest for an unknown name."""
    if name not in MEASURES:
        todo = meant(name, MEASURES, "docs/metrics.md says what each is")
        raise BadRequest(f"measure {name!r}", f"one of {', '.join(MEASURES)}", todo)
    return MEASURES[name]


def class_mean(values: NDArray[Any]) -> Floats:
    """Mean over the last axis, NaN left out; NaN where nothing else is."""
    known = ~np.isnan(values)
    return _ratio(np.where(known, values, 0.0).sum(axis=-1), known.sum(axis=-1))


def _ratio(part: NDArray[Any], whole: NDArray[Any]) -> Floats:
    """Part / whole, NaN where whole is 0."""
    whole = np.asarray(whole, np.float64)
    return np.asarray(np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0))


def _acc(tp: NDArray[Any], fp: NDArray[Any], fn: NDArray[Any], tn: NDArray[Any]) -> Floats:
    """(TP + TN) / all pixels: equation (5) of the published study."""
    return _ratio(tp + tn, tp + fp + fn + tn)


def _miou(tp: NDArray[Any], fp: NDArray[Any], fn: NDArray[Any], tn: NDArray[Any]) -> Floats:
    """Mean of the IoU of foreground and of background: equation (6) of the published study."""
    wrong = fp + fn
    ious = [np.nan_to_num(_ratio(right, right + wrong), nan=1.0) for right in (tp, tn)]
    return np.asarray(np.mean(ious, axis=0))


def _dice(tp: NDArray[Any], fp: NDArray[Any], fn: NDArray[Any], _: NDArray[Any]) -> Floats:
    return _ratio(2 * tp, 2 * tp + fp + fn)


def _iou(tp: NDArray[Any], fp: NDArray[Any], fn: NDArray[Any], _: NDArray[Any]) -> Floats:
    return _ratio(tp, tp + fp + fn)


def _sensitivity(tp: NDArray[Any], _: NDArray[Any], fn: NDArray[Any], __: NDArray[Any]) -> Floats:
    return _ratio(tp, tp + fn)


def _specificity(_: NDArray[Any], fp: NDArray[Any], __: NDArray[Any], tn: NDArray[Any]) -> Floats:
    return _ratio(tn, tn + fp)


def _precision(tp: NDArray[Any], fp: NDArray[Any], _: NDArray[Any], __: NDArray[Any]) -> Floats:
    return _ratio(tp, tp + fp)


def _overall_acc(totals: NDArray[Any], background: Floats) -> Floats:
    """Pixels whose class is right / all pixels."""
    return _ratio(totals[..., 0, :].sum(axis=-1) + background, totals[..., 0].sum(axis=-1))


def _overall_miou(totals: NDArray[Any], background: Floats) -> Floats:
    """Mean of the IoU of background and of every class."""
    tp, fp, fn, _ = np.moveaxis(totals, -2, 0)
    is_wrong = totals[..., 0].sum(axis=-1) - tp.sum(axis=-1) - background
    # Each wrong pixel is a false positive, a false negative, or both: the last are not of the background.
    wrong = np.concatenate([(2 * is_wrong - (fp + fn).sum(axis=-1))[..., None], fp + fn], axis=-1)
    right = np.concatenate([background[..., None], tp], axis=-1)
    ious = np.where(right + wrong == 0, 1.0, _ratio(right, right + wrong))
    return np.asarray(ious.mean(axis=-1))


OVERALL = {"acc": _overall_acc, "miou": _overall_miou}
"""Measures that see all classes at once, with the background as one more."""


def overall(name: str, totals: NDArray[Any], background: Floats) -> Floats:
    """A measure of all classes together, float64 (...), from counts (..., 4, C) and the pixels (...) that
    both give to no class: ACC and mIoU of the map of classes, of any other the mean over the classes.

    NaN where it is undefined, and ACC and mIoU also where `background` is. Raises BadRequest (unknown).
    """
    measure = find_measure(name)
    if name in OVERALL:
        return OVERALL[name](totals, np.asarray(background))
    return class_mean(measure(*np.moveaxis(totals, -2, 0)))


MEASURES: dict[str, Measure] = {
    "acc": _acc,
    "miou": _miou,
    "dice": _dice,
    "iou": _iou,
    "sensitivity": _sensitivity,
    "specificity": _specificity,
    "precision": _precision,
    "f1": _dice,
}
