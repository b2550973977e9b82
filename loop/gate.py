"""The gate: a candidate must be as good as the champion on held-out frames that were read blind.

Groups (patients, else clips) are resampled, not frames, because the frames of one recording resemble each
other (cluster bootstrap: Field & Welsh, "Bootstrapping clustered data", 2007).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from loop.errors import BadRequest
from loop.outcomes import Floats, FrameOutcome, find_insanity, frame_dice, scores
from loop.resampling import bootstrap_means
from loop.training_records import Verdict


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
    new, old = scores(candidate), None if champion is None else scores(champion)
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
