"""The gate: a candidate must be as good as the champion on held-out frames that were read blind.

Groups (patients, else clips) are resampled, not frames, because the frames of one recording resemble each
other (cluster bootstrap: Field & Welsh, "Bootstrapping clustered data", 2007).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loop.errors import BadRequest
from loop.training_records import Verdict

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class GateRule:
    """Promote when P(candidate's Dice - champion's > -`margin`) >= `confidence` over `bootstraps`
    resamplings.

    With fewer than `min_frames` frames or `min_groups` groups there is no such proof.
    """

    margin: float = 0.01
    confidence: float = 0.8
    bootstraps: int = 2000
    min_frames: int = 10
    min_groups: int = 2


@dataclass(frozen=True, eq=False)
class FrameOutcome:
    """What a model got right and wrong on one frame: pixels per class, int (C,)."""

    frame_id: int
    group: str
    tp: Counts
    fp: Counts
    fn: Counts
    tn: Counts


def frame_dice(outcome: FrameOutcome) -> float:
    """Dice of one frame: the mean over the classes that truth or prediction hold; 1 when they hold none."""
    size = 2 * outcome.tp + outcome.fp + outcome.fn
    there = size > 0
    return float(np.mean(2 * outcome.tp[there] / size[there])) if there.any() else 1.0


def find_insanity(outcomes: Sequence[FrameOutcome]) -> str | None:
    """Why these outcomes cannot come from a usable model, or None: not finite, constant, all background."""
    if not outcomes:
        return None
    tp, fp, fn, tn = (
        np.stack([getattr(item, name) for item in outcomes]) for name in ("tp", "fp", "fn", "tn")
    )
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


def judge(
    candidate: Sequence[FrameOutcome],
    champion: Sequence[FrameOutcome] | None,
    *,
    seed: int,
    rule: GateRule | None = None,
) -> Verdict:
    """Decide on promotion from both models' outcomes on the same frames (`champion` None: nothing serves
    yet).

    The verdict's figures hold `frames`, `groups`, `candidate` and `champion` (dice, dice_by_class, miou,
    acc), `delta`, `probability` and `interval` (95 %); what is undefined is None. Raises BadRequest when the
    frames differ.
    """
    rule = rule or GateRule()
    insanity = find_insanity(candidate)
    if insanity is not None:
        return Verdict(
            False, False, f"kept: the candidate is unusable, {insanity}", {"frames": len(candidate)}
        )
    figures = _describe(candidate, champion)
    if champion is None:
        return Verdict(True, True, "promoted unproven: no model was in service", figures)
    deltas = _deltas(candidate, champion)
    groups = [item.group for item in candidate]
    if len(deltas) < rule.min_frames or len(set(groups)) < rule.min_groups:
        return _judge_unproven(deltas, len(set(groups)), figures)
    return _judge_proven(bootstrap_means(deltas, groups, rule.bootstraps, seed), rule, figures)


def bootstrap_means(values: Floats, groups: Sequence[str], draws: int, seed: int) -> Floats:
    """Means (draws,) of `values` (N,) over groups drawn with replacement. Empty gives zeros."""
    names, member = np.unique(np.asarray(groups, dtype=np.str_), return_inverse=True)
    if not len(names):
        return np.zeros(draws)
    sums, sizes = np.bincount(member, values), np.bincount(member)
    drawn = np.random.default_rng(seed).integers(len(names), size=(draws, len(names)))
    return np.asarray(sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1), dtype=np.float64)


def outcomes_from_evaluation(evaluation: Mapping[str, Any], model: str) -> list[FrameOutcome] | None:
    """The outcomes of `model` ("candidate" or "champion") in a trainer's evaluation; None when it has none.

    Raises BadRequest when only some frames have them or a count is missing.
    """
    entries = evaluation["frames"]
    present = [entry for entry in entries if entry.get(model) is not None]
    if not present:
        return None if model == "champion" else []
    if len(present) < len(entries):
        raise BadRequest(f"outcomes of the {model} on {len(present)} of {len(entries)} frames", "all of them")
    return [_outcome(entry, entry[model]) for entry in entries]


def _is_constant(shares: Floats) -> bool:
    return bool((shares == shares[0]).all())


def _is_finite(outcome: FrameOutcome) -> bool:
    arrays = (outcome.tp, outcome.fp, outcome.fn, outcome.tn)
    return all(bool(np.isfinite(counts).all() and (counts >= 0).all()) for counts in arrays)


def _outcome(entry: Mapping[str, Any], counts: Mapping[str, Sequence[int]]) -> FrameOutcome:
    missing = [name for name in ("tp", "fp", "fn", "tn") if name not in counts]
    if missing:
        raise BadRequest(
            f"an outcome without {', '.join(missing)}", "tp, fp, fn and tn", frame=entry["frame_id"]
        )
    arrays = {name: np.asarray(counts[name]) for name in ("tp", "fp", "fn", "tn")}
    return FrameOutcome(frame_id=int(entry["frame_id"]), group=str(entry["group"]), **arrays)


def _judge_unproven(deltas: Floats, groups: int, figures: Mapping[str, Any]) -> Verdict:
    few = f"only {len(deltas)} held-out frames in {groups} groups"
    if not len(deltas):
        return Verdict(False, True, "kept: no held-out frame is labelled yet", figures)
    is_higher = bool(deltas.mean() > 0)
    word, sign = ("promoted", "higher") if is_higher else ("kept", "no higher")
    return Verdict(is_higher, True, f"{word} unproven: {few}, Dice {sign} ({deltas.mean():+.3f})", figures)


def _judge_proven(means: Floats, rule: GateRule, figures: Mapping[str, Any]) -> Verdict:
    probability = float(np.mean(means > -rule.margin))
    low, high = (float(bound) for bound in np.quantile(means, [0.025, 0.975]))
    is_promoted = probability >= rule.confidence
    word, sign = ("promoted", ">=") if is_promoted else ("kept", "<")
    reason = f"{word}: P(change in Dice > -{rule.margin:g}) = {probability:.3f} {sign} {rule.confidence:g}"
    return Verdict(
        is_promoted, False, reason, {**figures, "probability": probability, "interval": [low, high]}
    )


def _deltas(candidate: Sequence[FrameOutcome], champion: Sequence[FrameOutcome]) -> Floats:
    if [item.frame_id for item in candidate] != [item.frame_id for item in champion]:
        raise BadRequest(
            "outcomes on different frames", "candidate and champion on the same frames, in order"
        )
    return np.array([frame_dice(new) - frame_dice(old) for new, old in zip(candidate, champion, strict=True)])


def _describe(candidate: Sequence[FrameOutcome], champion: Sequence[FrameOutcome] | None) -> dict[str, Any]:
    new, old = _scores(candidate), None if champion is None else _scores(champion)
    is_paired = old is not None and new["dice"] is not None and old["dice"] is not None
    return {
        "frames": len(candidate),
        "groups": len({item.group for item in candidate}),
        "candidate": new,
        "champion": old,
        "delta": new["dice"] - old["dice"] if is_paired and old is not None else None,
        "probability": None,
        "interval": None,
    }


def _scores(outcomes: Sequence[FrameOutcome]) -> dict[str, Any]:
    """Mean Dice per frame; per class over the frames where it is; pooled mIoU and ACC as in the published
    study.
    """
    if not outcomes:
        return {"dice": None, "dice_by_class": [], "miou": None, "acc": None}
    tp, fp, fn, tn = (
        np.stack([getattr(item, name) for item in outcomes]) for name in ("tp", "fp", "fn", "tn")
    )
    return {
        "dice": float(np.mean([frame_dice(item) for item in outcomes])),
        "dice_by_class": _dice_by_class(tp, fp + fn),
        "miou": float(np.mean([_iou(right.sum(axis=0), (fp + fn).sum(axis=0)) for right in (tp, tn)])),
        "acc": float(np.mean((tp + tn).sum(axis=0) / (tp + fp + fn + tn).sum(axis=0))),
    }


def _dice_by_class(tp: Counts, wrong: Counts) -> list[float | None]:
    size = 2 * tp + wrong
    return [
        float(np.mean(2 * tp[there, plane] / size[there, plane])) if there.any() else None
        for plane, there in enumerate((size > 0).T)
    ]


def _iou(right: Counts, wrong: Counts) -> Floats:
    return np.where(right + wrong > 0, right / np.maximum(right + wrong, 1), 1.0)
