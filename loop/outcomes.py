"""What a model got right and wrong on held-out frames: read from a trainer's evaluation, checked, scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loop.errors import BadInput

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]
NAMES = ("tp", "fp", "fn", "tn")


@dataclass(frozen=True, eq=False)
class FrameOutcome:
    """What a model got right and wrong on one frame: pixels per class, int (C,)."""

    frame_id: int
    group: str
    tp: Counts
    fp: Counts
    fn: Counts
    tn: Counts


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
    """Mean Dice per frame; per class over the frames where it is; pooled mIoU and ACC as in the published
    study.
    """
    if not outcomes:
        return {"dice": None, "dice_by_class": [], "miou": None, "acc": None}
    tp, fp, fn, tn = (np.stack([getattr(item, name) for item in outcomes]) for name in NAMES)
    return {
        "dice": float(np.mean([frame_dice(item) for item in outcomes])),
        "dice_by_class": _dice_by_class(tp, fp + fn),
        "miou": float(np.mean([_iou(right.sum(axis=0), (fp + fn).sum(axis=0)) for right in (tp, tn)])),
        "acc": float(np.mean((tp + tn).sum(axis=0) / (tp + fp + fn + tn).sum(axis=0))),
    }


def dice_of_class(outcomes: Sequence[FrameOutcome], plane: int) -> Floats:
    """Dice of one class on each frame, float64 (N,): 1 where neither truth nor prediction holds it."""
    tp = np.array([item.tp[plane] for item in outcomes], np.float64)
    wrong = np.array([item.fp[plane] + item.fn[plane] for item in outcomes], np.float64)
    size = 2 * tp + wrong
    return np.asarray(np.divide(2 * tp, size, out=np.ones_like(tp), where=size > 0))


def holds_class(outcomes: Sequence[FrameOutcome], plane: int) -> NDArray[np.bool_]:
    """Whether truth or prediction hold the class, bool (N,)."""
    return np.array([(item.tp + item.fp + item.fn)[plane] > 0 for item in outcomes], np.bool_)


def _outcome(entry: Mapping[str, Any], counts: Mapping[str, Sequence[int]]) -> FrameOutcome:
    arrays = {name: np.asarray(counts[name], dtype=np.int64) for name in NAMES}
    return FrameOutcome(int(entry["frame_id"]), str(entry["group"]), **arrays)


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
