"""When to train, and which moves a round may make; whether to promote is decided in `loop.gate`."""

from __future__ import annotations

import math
from dataclasses import dataclass

from loop.errors import IllegalMove
from loop.gate import judge
from loop.outcomes import FrameOutcome
from loop.training_records import RoundState

LEGAL_MOVES: dict[RoundState, frozenset[RoundState]] = {
    RoundState.PLANNED: frozenset({RoundState.TRAINING, RoundState.FAILED, RoundState.CANCELLED}),
    RoundState.TRAINING: frozenset({RoundState.GATING, RoundState.FAILED, RoundState.CANCELLED}),
    RoundState.GATING: frozenset(
        {
            RoundState.PROMOTED,
            RoundState.REJECTED,
            RoundState.TRAINING,  # its evaluation was lost, or another champion serves by now
            RoundState.FAILED,
            RoundState.CANCELLED,
        }
    ),
    RoundState.PROMOTED: frozenset(),
    RoundState.REJECTED: frozenset(),
    RoundState.FAILED: frozenset(),
    RoundState.CANCELLED: frozenset(),
}


@dataclass(frozen=True)
class TriggerRule:
    """Train again after `min_new` new masks or growth by the share `growth` since the last round, if that is
    more.
    """

    min_new: int = 20
    growth: float = 0.10

    def needed(self, labels_at_last_round: int) -> int:
        """How many new masks make the next round due."""
        # The tiny step back keeps 0.1 * 30 = 3.0000000000000004 from asking for a fourth mask.
        return max(self.min_new, math.ceil(self.growth * labels_at_last_round - 1e-9), 1)


@dataclass(frozen=True)
class LabelCounts:
    """What the trigger looks at, held-out frames left out: `new` trainable masks since the last round with a
    verdict, how many that one had, and whether there are any at all.
    """

    new: int
    at_last_round: int
    may_teach: bool


@dataclass(frozen=True)
class Trigger:
    """Whether a round is due, and why (not)."""

    is_due: bool
    reason: str


def should_retrain(counts: LabelCounts, rule: TriggerRule, *, is_forced: bool = False) -> Trigger:
    """Decide whether to plan a round. One that somebody asks for by hand (`is_forced`) needs a single mask
    outside the held-out groups; any other as many new masks as the rule says.
    """
    if not counts.may_teach:
        return Trigger(False, "no labelled frame outside the held-out groups")
    if is_forced:
        return Trigger(True, f"asked for by hand, with {counts.new} new masks")
    needed = rule.needed(counts.at_last_round)
    if counts.new < needed:
        return Trigger(False, f"{counts.new} of {needed} new masks")
    return Trigger(
        True, f"{counts.new} new masks since {counts.at_last_round} at the last round, {needed} needed"
    )


def check_move(state: RoundState, to: RoundState) -> None:
    """Raises IllegalMove when `LEGAL_MOVES` does not hold the move."""
    if to not in LEGAL_MOVES[state]:
        legal = ", ".join(sorted(LEGAL_MOVES[state])) or "none: the round has ended"
        raise IllegalMove(f"a move from {state} to {to}", f"one of: {legal}")


__all__ = [
    "LEGAL_MOVES",
    "FrameOutcome",
    "LabelCounts",
    "Trigger",
    "TriggerRule",
    "check_move",
    "judge",
    "should_retrain",
]
