"""Frames so simple that a network learns them in seconds: dark discs on grey speckle, with exact masks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from loop.masks import Mask, pack
from loop.training_records import Split
from trainer.job import JobSpec, Sample
from trainer.recipes import RECIPES, Recipe

TINY = replace(
    RECIPES["fast"],
    name="tiny",
    size=64,
    batch=4,
    epoch_steps=2,
    steps=6,
    epochs=3,
    min_epochs=3,
    precision="float32",
    network="mobilenetv2-unet",
)
"""A recipe of a few seconds, with the smallest network."""


def draw_disc(seed: int, height: int = 80, width: int = 100) -> tuple[NDArray[np.uint8], Mask]:
    """Grey uint8 (H, W) and its mask bool (1, H, W)."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    radius = rng.uniform(0.1, 0.2) * height
    cy, cx = rng.uniform(0.25, 0.75, 2) * (height, width)
    mask = (y - cy) ** 2 + (x - cx) ** 2 < radius**2
    grey = np.where(mask, 25, 120) + rng.normal(0, 15, (height, width))
    return np.clip(grey, 0, 255).astype(np.uint8), mask[np.newaxis]


def disc_samples(folder: Path, splits: dict[Split, int], classes: int = 1) -> tuple[Sample, ...]:
    """Write disc frames, so many of each split; with several classes the discs are of the first."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = [split for split, number in splits.items() for _ in range(number)]
    samples = []
    for number, split in enumerate(wanted):
        image, disc = draw_disc(number)
        mask = np.zeros((classes, *disc.shape[1:]), np.bool_)
        mask[0] = disc[0]
        paths = folder / f"frame{number}.png", folder / f"mask{number}.slm"
        cv2.imwrite(str(paths[0]), image)
        paths[1].write_bytes(pack(mask))
        samples.append(Sample(number, f"clip{number}", split, *paths))
    return tuple(samples)


SPLITS = {Split.TRAIN: 8, Split.INNER: 2, Split.HELD_OUT: 2}


def disc_job(
    folder: Path, recipe: Recipe = TINY, splits: dict[Split, int] = SPLITS, **changes: Any
) -> JobSpec:
    """Make a job on disc frames, its `out` a fresh folder below."""
    classes = changes.pop("classes", ("vein",))
    samples = disc_samples(folder / "frames", splits, len(classes))
    out = folder / changes.pop("out", "out")
    out.mkdir(parents=True, exist_ok=True)
    return JobSpec(classes, recipe, changes.pop("seed", 1), 1, samples, out, **changes)
