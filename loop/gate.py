"""The gate: a candidate must be as good as the champion on held-out frames that were read blind.

Groups (patients, else clips) are resampled, not frames, because the frames of one recording resemble each
other (cluster bootstrap: Field & Welsh, "Bootstrapping clustered data", 2007). docs/decisions/gate.md says
where the rule's numbers come from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from loop.errors import BadRequest
from loop.gate_classes import Behind, ClassChange, changes_by_class
from loop.outcomes import Floats, FrameOutcome, find_insanity, frame_dice, scores
from loop.resampling import bootstrap_means
from loop.splits import MIN_GROUPS_TO_HOLD_OUT
from loop.training_records import Verdict

AT_LIMIT = 1e-9
NONE_LABELLED = "kept: no held-out frame is labelled yet"
NO_RECORDING = (
    "promoted unproven: this project has no held-out recording; add more recordings "
    f"(from {MIN_GROUPS_TO_HOLD_OUT} on some are held out); ./sonoloop rollback takes the model back"
)


@dataclass(frozen=True)
class GateRule:
    """Promote when P(candidate's Dice - champion's > -`margin`) >= `confidence` over `bootstraps`
    resamplings, and for each class of several the same with `class_margin` and `class_confidence`.

    With fewer than `min_frames` frames or `min_groups` groups there is no such proof; then a class on at
    least `min_class_frames` frames must not fall by `class_drop` in the mean.
    """

    margin: float = 0.01
    confidence: float = 0.8
    bootstraps: int = 2000
    min_frames: int = 10
    min_groups: int = 6
    class_margin: float = 0.05
    class_confidence: float = 0.5
    class_drop: float = 0.10
    min_class_frames: int = 3

    def is_enough(self, frames: int, groups: int) -> bool:
        """Whether so many frames of so many groups can prove anything."""
        return frames >= self.min_frames and groups >= self.min_groups


def judge(
    candidate: Sequence[FrameOutcome],
    champion: Sequence[FrameOutcome] | None,
    *,
    seed: int,
    rule: GateRule | None = None,
    classes: Sequence[str] = (),
    behind: Behind | None = None,
    has_held_out: bool = True,
) -> Verdict:
    """Decide on promotion from both models' outcomes on the same frames (`champion` None: nothing serves
    yet). `behind`: how far the champion lies behind the best before it, which counts against the margins.
    `has_held_out` False: the project has no frame that could be read for the gate; its candidates serve
    unproven.

    The verdict's figures hold `frames`, `groups`, `candidate` and `champion` (dice, miou, acc, each
    also by class), `delta`, `probability`, `interval` (95 %), `by_class` and `behind` (the candidate's); what
    is undefined is None. Raises BadRequest when the frames differ.
    """
    rule = rule or GateRule()
    behind = (behind or Behind()).within(rule.margin, rule.class_margin)
    insanity = find_insanity(candidate)
    if insanity is not None:
        return Verdict(
            False, False, f"kept: the candidate is unusable, {insanity}", {"frames": len(candidate)}
        )
    figures = _describe(candidate, champion)
    if champion is None:
        return Verdict(True, True, "promoted unproven: no model was in service", figures)
    deltas = _deltas(candidate, champion)
    if not len(deltas):
        # Where nothing can ever be judged, what learned from this project's labels is the better guess.
        return Verdict(not has_held_out, True, NONE_LABELLED if has_held_out else NO_RECORDING, figures)
    changes = changes_by_class(candidate, champion, classes)
    groups = [item.group for item in candidate]
    is_proven = rule.is_enough(len(deltas), len(set(groups)))
    # Of few frames the change is noise, which must not be held against the candidates to come.
    measured = [change.mean if _is_measured(change, rule) else None for change in changes]
    after = behind.after(float(deltas.mean()) if is_proven else None, measured)
    figures["behind"] = after.within(rule.margin, rule.class_margin).to_dict()
    if is_proven:
        means = bootstrap_means(deltas, groups, rule.bootstraps, seed)
        verdict = _judge_proven(means, rule, behind, figures)
    else:
        verdict = _judge_unproven(deltas, len(set(groups)), figures)
    return _judge_classes(verdict, changes, rule, behind, seed)


def _judge_unproven(deltas: Floats, groups: int, figures: Mapping[str, Any]) -> Verdict:
    few = f"only {len(deltas)} held-out frames in {groups} groups"
    is_higher = bool(deltas.mean() > 0)
    word, sign = ("promoted", "higher") if is_higher else ("kept", "no higher")
    return Verdict(is_higher, True, f"{word} unproven: {few}, Dice {sign} ({deltas.mean():+.3f})", figures)


def _judge_proven(means: Floats, rule: GateRule, behind: Behind, figures: Mapping[str, Any]) -> Verdict:
    least, needed = -rule.margin - behind.dice, rule.confidence
    probability = _share_above(means, least)
    low, high = (float(bound) for bound in np.quantile(means, [0.025, 0.975]))
    is_promoted = probability >= needed
    found = _comparison(least, probability, needed)
    reason = f"{'promoted' if is_promoted else 'kept'}: {found}{_behind_words(behind.dice)}"
    return Verdict(
        is_promoted, False, reason, {**figures, "probability": probability, "interval": [low, high]}
    )


def _judge_classes(
    verdict: Verdict, changes: Sequence[ClassChange], rule: GateRule, behind: Behind, seed: int
) -> Verdict:
    """Add what became of each class, and keep the champion where something speaks against one of several."""
    by_class, against = [], []
    for plane, change in enumerate(changes):
        probability, reason = _judge_class(change, rule, behind.of_class(plane), seed)
        by_class.append({**change.to_dict(), "probability": probability})
        if reason:
            against.append(reason)
    figures = {**verdict.figures, "by_class": by_class}
    if not verdict.is_promoted or len(changes) < 2 or not against:
        return Verdict(verdict.is_promoted, verdict.is_unproven, verdict.reason, figures)
    return Verdict(False, verdict.is_unproven, f"kept: {'; '.join(against)}", figures)


def _judge_class(
    change: ClassChange, rule: GateRule, behind: float, seed: int
) -> tuple[float | None, str | None]:
    """P(the class's change is within its margin), None where too few frames hold it, and what speaks against
    the candidate.
    """
    frames, least, needed = len(change.deltas), -rule.class_margin - behind, rule.class_confidence
    if _is_measured(change, rule):
        means = bootstrap_means(change.deltas, change.groups, rule.bootstraps, seed)
        probability = _share_above(means, least)
        if probability >= needed:
            return probability, None
        is_worse = _share_above(means, -rule.class_margin) < needed
        found = _comparison(least, probability, needed)
        return probability, _against(change.name, found, behind, is_worse=is_worse)
    if frames >= rule.min_class_frames and change.deltas.mean() <= -rule.class_drop - behind:
        found = f"Dice {change.deltas.mean():+.3f} on {frames} frames in {change.group_count} groups"
        is_worse = bool(change.deltas.mean() <= -rule.class_drop)
        return None, _against(change.name, found, behind, is_worse=is_worse)
    return None, None


def _is_measured(change: ClassChange, rule: GateRule) -> bool:
    return rule.is_enough(len(change.deltas), change.group_count)


def _against(name: str, found: str, behind: float, *, is_worse: bool) -> str:
    """Blame the candidate only for what it loses itself, not for what the champion had lost before."""
    if is_worse:
        return f"{name} is worse: {found}{_behind_words(behind)}"
    lag = f"the champion lies {-behind:.3f} behind the best before it in {name}"
    return f"{lag}, which leaves too little margin: {found}"


def _share_above(means: Floats, least: float) -> float:
    # What lies at the limit is within it: a model like the champion must pass where no margin is left.
    return float(np.mean(means > least - AT_LIMIT))


def _comparison(least: float, probability: float, needed: float) -> str:
    sign = ">=" if probability >= needed else "<"
    limit = f"{round(least, 4) + 0.0:g}"  # + 0.0 turns -0.0 into 0
    return f"P(change in Dice > {limit}) = {probability:.3f} {sign} {needed:g}"


def _behind_words(behind: float) -> str:
    return f", for the champion lies {-behind:.3f} behind the best before it" if behind < -5e-4 else ""


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
        "by_class": [],
        "behind": Behind().to_dict(),
    }
