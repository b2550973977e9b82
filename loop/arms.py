"""How the frames of each arm were read: whether the model's choice and its proposals are worth it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median

from loop.records import Arm, Decision, MaskVersion


@dataclass(frozen=True)
class ArmFigures:
    """The current masks of one arm (None: of frames that no Selection holds): how many were drawn over a
    proposal, how many of these left it as it was, the median Dice of the proposals to what was submitted, and
    the median seconds of people; None where there is none.
    """

    arm: Arm | None
    labels: int
    proposed: int
    accepted: int
    dice: float | None
    seconds: float | None


def figures_by_arm(masks: Iterable[MaskVersion], arms: Mapping[int, Arm]) -> list[ArmFigures]:
    """The figures of each arm that has a label, in the order of `Arm`; `arms` by frame id."""
    members: dict[Arm | None, list[MaskVersion]] = {}
    for mask in masks:
        members.setdefault(arms.get(mask.frame_id), []).append(mask)
    return [_figures(arm, members[arm]) for arm in (*Arm, None) if arm in members]


def _figures(arm: Arm | None, masks: list[MaskVersion]) -> ArmFigures:
    shown = [mask for mask in masks if mask.proposal_id is not None]
    return ArmFigures(
        arm=arm,
        labels=len(masks),
        proposed=len(shown),
        accepted=sum(mask.decision is Decision.ACCEPTED for mask in shown),
        dice=_median(mask.dice_to_proposal for mask in shown),
        seconds=_median(mask.seconds for mask in masks if not mask.is_simulated),
    )


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None
