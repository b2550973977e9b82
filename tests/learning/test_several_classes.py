"""Two classes that look different are learned side by side, and a third that nobody drew is drawn nowhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from loop.masks import Mask, pack
from loop.training_records import Split
from tests.discs import TINY, disc_job
from trainer.job import JobSpec
from trainer.run import run
from worker.job import read_outcomes

CLASSES = ("Vein", "Artery", "Nerve")
RECIPE = replace(TINY, learning_rate=2e-3, augmentation="strong", epoch_steps=14, steps=98, epochs=7)


def draw_pair(seed: int) -> tuple[np.ndarray[Any, np.dtype[np.uint8]], Mask]:
    """A dark disc, the vein, and a bright one, the artery, left or right of it: grey uint8 (80, 100) and bool
    (3, 80, 100), whose last plane is empty.
    """
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:80, :100]
    grey, mask = np.full((80, 100), 120.0), np.zeros((3, 80, 100), np.bool_)
    sides = rng.permutation([28, 72])
    for plane, (side, shade) in enumerate(zip(sides, (25, 215), strict=True)):
        cy, cx, radius = rng.uniform(25, 55), side + rng.uniform(-8, 8), rng.uniform(9, 16)
        mask[plane] = (y - cy) ** 2 + (x - cx) ** 2 < radius**2
        grey[mask[plane]] = shade
    return np.clip(grey + rng.normal(0, 15, grey.shape), 0, 255).astype(np.uint8), mask


def pair_job(folder: Path) -> JobSpec:
    splits = {Split.TRAIN: 28, Split.INNER: 4, Split.HELD_OUT: 10}
    job = disc_job(folder, RECIPE, splits, classes=CLASSES)
    for number, sample in enumerate(job.samples):
        image, mask = draw_pair(number)
        cv2.imwrite(str(sample.image), image)
        sample.mask.write_bytes(pack(mask))
    return job


def test_two_classes_are_learned_side_by_side_and_an_absent_third_is_drawn_nowhere(tmp_path: Path) -> None:
    told: list[dict[str, Any]] = []
    run(pair_job(tmp_path), lambda event, **fields: told.append({"event": event, **fields}))
    start, done = told[0], told[-1]
    assert start["absent"] == done["metrics"]["absent"] == ("Nerve",)
    assert [event["dice"] is not None for event in told if event["event"] == "epoch"][-1]

    outcomes, _ = read_outcomes(Path(done["evaluation"]))
    tp, fp, fn = (sum(getattr(each, name) for each in outcomes) for name in ("tp", "fp", "fn"))
    pooled = 2 * tp[:2] / (2 * tp + fp + fn)[:2]
    assert pooled.min() > 0.75, pooled
    assert (tp + fp)[2] == 0
    assert done["metrics"]["held_out"]["dice_mean"] > 0.75
    assert done["metrics"]["inner_dice"] > 0.7
