"""A model that is trained knows more than one that is not: measured on frames it never saw."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from loop.training_records import Split
from tests.discs import TINY, disc_job
from trainer.run import run

FROM_NOTHING = replace(TINY, learning_rate=1e-3, augmentation="strong")
"""The fast recipe is gentle, because it begins with weights that know vessels already."""


def test_a_network_learns_discs_from_twenty_four_frames_and_beats_its_younger_self(tmp_path: Path) -> None:
    told: list[dict[str, Any]] = []
    recipe = replace(FROM_NOTHING, epoch_steps=12, steps=60, epochs=5)
    splits = {Split.TRAIN: 24, Split.INNER: 6, Split.HELD_OUT: 10}

    def tell(event: str, **fields: Any) -> None:
        told.append({"event": event, **fields})

    run(disc_job(tmp_path, replace(recipe, steps=12, min_epochs=1), splits, out="young"), tell)
    young = told[-1]
    run(disc_job(tmp_path, recipe, splits, out="grown", champion=Path(young["weights"])), tell)
    metrics = told[-1]["metrics"]
    assert metrics["held_out"]["dice_mean"] > 0.85
    assert metrics["held_out"]["dice_mean"] > metrics["champion_held_out"]["dice_mean"] + 0.1
    losses = [event["loss"] for event in told if event["event"] == "epoch"]
    assert losses[-1] < 0.6 * losses[0]
