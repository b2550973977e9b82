"""What a model got right and wrong on held-out frames: read from a trainer's evaluation, checked, scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loop.errors import BadInput

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]
NAMES = ("tp", "fp", "fn", "tn")


@dataclass(frozen=True, eq=False)
class FrameOutcome:
    """What a model got right and wrong on one frame: pixels per class, int (C,); `background` those that
    model and truth both give to no class, None where an evaluation of several classes does not say it yet.
    """

    frame_id: int
    group: str
    tp: Counts
    fp: Counts
    fn: Counts
    tn: Counts
    background: int | None = field(default=None, kw_only=True)


def outcomes_from_evaluation(
    evaluation: Mapping[str, Any],
) -> tuple[list[FrameOutcome], list[FrameOutcome] | None]:
    """The candidate's and the champion's outcomes in a trainer's evaluation; None: there was no champion.

    Without frames both are empty or None, for there is nothing to tell a champion by. Raises BadInput when it
    is not whole, or when only some frames have the champion's outcome.
    """
    try:
        entries = evaluation["frames"]
        candidate = [_outcome(entry, entry["candidate"]) for entry in entries]
        champion = [_outcome(entry, entry["champion"]) for entry in entries if entry["champion"] is not None]
    except (KeyError, TypeError, ValueError, OverflowError) as exc:
        raise BadInput("an evaluation that is not whole", "the one of a finished training") from exc
    if champion and len(champion) < len(candidate):
        got = f"outcomes of the champion on {len(champion)} of {len(candidate)} frames"
        raise BadInput(got, "all of them or none", "train again")
    return candidate, champion or None


def frame_dice(outcome: FrameOutcome) -> float:
    """Dice of one frame: the mean over the classes that truth or prediction hold; 1 when they hold none."""
    size = 2 * outcome.tp + outcome.fp + outcome.fn
    there = size > 0
    return float(np.mean(2 * outcome.tp[there] / size[there])) if there.any() else 1.0


def find_insanity(outcomes: Sequence[FrameOutcome]) -> str | None:
    """Why these outcomes cannot come from a usable model, or None: not finite, constant, all background."""
    if not outcomes:
        return None
    tp, fp, fn, tn = (np.stack([getattr(item, name) for item in outcomes]) for name in NAMES)
    if not all(_is_finite(item) for item in outcomes):
        return "the figures are not finite"
    drawn, true, pixels = tp + fp, tp + fn, tp + fp + fn + tn
    if not drawn.any():
        return "it draws nothing on any frame" if true.any() else None
    if (drawn == pixels).all(axis=0).any():
        return "it draws one class everywhere"
    if len(outcomes) > 2 and _is_constant(drawn / pixels) and not _is_constant(true / pixels):
        return "it draws the same area on every frame"
    return None


def scores(outcomes: Sequence[FrameOutcome]) -> dict[str, Any]:
    """Mean Dice per frame; per class over the frames where it is; ACC and mIoU of all pixels pooled, as in
    the published study: the share whose class is right, the mean of the IoU of background and of every class.
    `NAME_by_class` are those of each class against all else. None where nothing defines a figure.
    """
    if not outcomes:
        names = ("miou", "acc")
        unknown = {"dice": None, "dice_by_class": []} | dict.fromkeys(names)
        return unknown | {f"{name}_by_class": [] for name in names}
    tp, fp, fn, tn = (np.stack([getattr(item, name) for item in outcomes]) for name in NAMES)
    pooled = np.stack([part.sum(axis=0) for part in (tp, fp, fn, tn)])
    miou, acc = _overall(pooled, _background(outcomes))
    return {
        "dice": float(np.mean([frame_dice(item) for item in outcomes])),
        "dice_by_class": _dice_by_class(tp, fp + fn),
        "miou": miou,
        "acc": acc,
        "miou_by_class": [_overall(each[:, np.newaxis], int(each[3]))[0] for each in pooled.T],
        "acc_by_class": [_overall(each[:, np.newaxis], int(each[3]))[1] for each in pooled.T],
    }


def read_scores(stored: Mapping[str, Any]) -> dict[str, Any]:
    """What `scores` gave, as a verdict keeps it. Of several classes mIoU and ACC become None where those of
    each are not beside them: such a record is from when they were the means of these, another figure.
    """
    is_other = len(stored.get("dice_by_class", ())) > 1 and "miou_by_class" not in stored
    return {**stored, "miou": None, "acc": None} if is_other else dict(stored)


def dice_of_class(outcomes: Sequence[FrameOutcome], plane: int) -> Floats:
    """Dice of one class on each frame, float64 (N,): 1 where neither truth nor prediction holds it."""
    tp = np.array([item.tp[plane] for item in outcomes], np.float64)
    wrong = np.array([item.fp[plane] + item.fn[plane] for item in outcomes], np.float64)
    size = 2 * tp + wrong
    return np.asarray(np.divide(2 * tp, size, out=np.ones_like(tp), where=size > 0))


def holds_class(outcomes: Sequence[FrameOutcome], plane: int) -> NDArray[np.bool_]:
    """Whether truth or prediction hold the class, bool (N,)."""
    return np.array([(item.tp + item.fp + item.fn)[plane] > 0 for item in outcomes], np.bool_)


def _background(outcomes: Sequence[FrameOutcome]) -> int | None:
    """Pixels of all frames that model and truth both give to no class; None where one does not say it."""
    each = [int(item.tn[0]) if len(item.tn) == 1 else item.background for item in outcomes]
    known = [pixels for pixels in each if pixels is not None]
    return sum(known) if len(known) == len(each) else None


def _overall(pooled: Counts, background: int | None) -> tuple[float | None, float | None]:
    """MIoU and ACC of summed pixels (4, C), with the background as one more class."""
    if background is None:
        return None, None
    tp, wrong, pixels = pooled[0], pooled[1] + pooled[2], int(pooled[:, 0].sum())
    right = int(tp.sum()) + background
    # Each wrong pixel is a false positive, a false negative, or both: the last are not of the background.
    of_background = 2 * (pixels - right) - int(wrong.sum())
    ious = _iou(np.append(tp, background), np.append(wrong, of_background))
    return float(np.mean(ious)), right / pixels


def _outcome(entry: Mapping[str, Any], counts: Mapping[str, Any]) -> FrameOutcome:
    arrays = {name: np.asarray(counts[name], dtype=np.int64) for name in NAMES}
    background = counts.get("background")
    both = None if background is None else int(background)
    return FrameOutcome(int(entry["frame_id"]), str(entry["group"]), **arrays, background=both)


def _is_constant(shares: Floats) -> bool:
    return bool((shares == shares[0]).all())


def _is_finite(outcome: FrameOutcome) -> bool:
    arrays = (outcome.tp, outcome.fp, outcome.fn, outcome.tn)
    return all(bool(np.isfinite(counts).all() and (counts >= 0).all()) for counts in arrays)


def _dice_by_class(tp: Counts, wrong: Counts) -> list[float | None]:
    size = 2 * tp + wrong
    return [
        float(np.mean(2 * tp[there, plane] / size[there, plane])) if there.any() else None
        for plane, there in enumerate((size > 0).T)
    ]


def _iou(right: Counts, wrong: Counts) -> Floats:
    return np.where(right + wrong > 0, right / np.maximum(right + wrong, 1), 1.0)
