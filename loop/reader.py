"""What the simulated reader does with a frame: the rules a person was asked to follow."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from loop.masks import Mask, dice

ACCEPT_AT = 0.9


class ReaderMove(StrEnum):
    """What the reader does on the page."""

    ACCEPT = "accept"
    FIX = "fix"
    NO_VEIN = "no vein"
    DRAW = "draw"


@dataclass(frozen=True)
class ReaderAction:
    """The move and the mask (C, H, W) that is submitted with it."""

    decision: ReaderMove
    mask: Mask


def decide(proposal: Mask | None, truth: Mask, threshold: float = ACCEPT_AT) -> ReaderAction:
    """Accept a proposal whose Dice to the truth reaches `threshold`, else fix it, else submit it empty.

    Both are bool (C, H, W); `proposal` None means that nothing was drawn. Two empty masks are accepted.
    """
    if proposal is None:
        return ReaderAction(ReaderMove.DRAW if truth.any() else ReaderMove.NO_VEIN, truth)
    similarity = dice(proposal, truth)
    if similarity is None or similarity >= threshold:
        return ReaderAction(ReaderMove.ACCEPT, proposal)
    return ReaderAction(ReaderMove.FIX if truth.any() else ReaderMove.NO_VEIN, truth)
