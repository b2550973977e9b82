"""What tests of rounds do again and again on the way to what they are about."""

from __future__ import annotations

from typing import Any

import numpy as np

from loop.ingest import reconcile
from loop.outcomes import FrameOutcome
from loop.policy import TriggerRule
from loop.records import ModelVersion
from loop.rounds import (
    RoundRules,
    claim,
    freeze,
    judge_and_promote,
    plan,
    record_candidate,
)
from loop.training_records import Round
from tests.integration.loop.world import World

RULES = RoundRules(trigger=TriggerRule(min_new=8))


def planned(world: World, **options: Any) -> Round:
    found = plan(world.rounds, RULES, world.project.id, **options).round
    assert found is not None
    return found


def teaching(world: World) -> int:
    """How many frames are labelled and not held out."""
    held_out = {frame.id for frame in world.frames() if frame.is_held_out}
    return sum(mask.frame_id not in held_out for mask in world.current())


def label_until(world: World, count: int) -> None:
    """Read on until so many labels may teach."""
    while teaching(world) < count:
        world.label(1)
        reconcile(world.ingest, world.project.id)


def at_gate(world: World, seen: Round | None = None) -> tuple[Round, ModelVersion]:
    claimed = claim(world.rounds, RULES, (seen or planned(world, is_forced=True)).id)
    row, _ = freeze(world.rounds, RULES, claimed, "phantoms")
    return record_candidate(
        world.rounds,
        row,
        digest=world.weights(f"round {row.id}"),
        origin="phantoms",
        config={"size": 256},
        metrics={"loss": 0.1},
    )


def outcomes(dice: float) -> list[FrameOutcome]:
    wrong = round(1000 * (1 - dice))
    return [
        FrameOutcome(
            index, f"g{index % 6}", *(np.array([n]) for n in (1000 - wrong, wrong, wrong, 5000 - index))
        )
        for index in range(12)
    ]


def judged(world: World, row: Round, dice: float, champion: float | None = 0.8) -> Round:
    return judge_and_promote(
        world.rounds,
        RULES,
        row,
        candidate=outcomes(dice),
        champion=None if champion is None else outcomes(champion),
        champion_id=world.now().champion_id if champion is not None else None,
    )
