"""What is told of the arms once their frames were read."""

from __future__ import annotations

from datetime import UTC, datetime

from loop.arms import ArmFigures, figures_by_arm
from loop.records import Arm, Decision, MaskVersion

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def mask(
    number: int,
    decision: Decision = Decision.FIXED,
    dice: float | None = None,
    seconds: float | None = None,
    *,
    is_blind: bool = False,
    is_simulated: bool = False,
) -> MaskVersion:
    return MaskVersion(
        id=number,
        frame_id=number,
        annotation_id=number,
        updated_at=NOON,
        reader_id=1,
        decision=decision,
        mask_digest=f"{number:064x}",
        seconds=seconds,
        proposal_id=None if is_blind else number,
        dice_to_proposal=dice,
        is_simulated=is_simulated,
        recorded_at=NOON,
    )


def test_each_arm_is_told_by_its_own_masks() -> None:
    masks = [
        mask(1, Decision.ACCEPTED, 1.0, 4.0),
        mask(2, Decision.FIXED, 0.6, 20.0),
        mask(3, Decision.FIXED, 0.7, 10.0),
        mask(4, Decision.FROM_SCRATCH, None, 40.0, is_blind=True),
        mask(5, Decision.NO_VEIN, None, 8.0),
        mask(6, Decision.ACCEPTED, 1.0, 1.0, is_simulated=True),
    ]
    arms = {**dict.fromkeys((1, 2, 3), Arm.SAMPLER), 4: Arm.BLIND, 5: Arm.RANDOM, 99: Arm.HELD_OUT}
    assert figures_by_arm(masks, arms) == [
        ArmFigures(Arm.SAMPLER, 3, 3, 1, 0.7, 10.0),
        ArmFigures(Arm.RANDOM, 1, 1, 0, None, 8.0),
        ArmFigures(Arm.BLIND, 1, 0, 0, None, 40.0),
        ArmFigures(None, 1, 1, 1, 1.0, None),
    ]
