"""The grey of scanners nobody drew: changes to a phantom's look that leave its vessels where they are."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]


def vary_appearance(rng: np.random.Generator, image: Picture, mask: Picture) -> tuple[Picture, Picture]:
    """Change gain by depth and side, grey curve, sharpness and borders of a boxed frame, both uint8 (S, S).

    Black borders cut the mask too: nobody labels what is not shown.
    """
    grey: NDArray[np.float32] = image.astype(np.float32) / np.float32(255)
    if rng.random() < 0.6:
        grey = grey * _gain_curve(rng, grey.shape[0])[:, None]
    if rng.random() < 0.35:
        grey = grey * _gain_curve(rng, grey.shape[1])[None, :]
    if rng.random() < 0.4:
        grey = np.asarray(np.clip(grey, 0, 1) ** np.exp(rng.normal(0, 0.35)), np.float32)
    if rng.random() < 0.3:
        sharpness = (float(rng.uniform(0.1, 2.5)), float(rng.uniform(0.1, 1.2)))
        grey = np.asarray(
            cv2.GaussianBlur(grey, (0, 0), sigmaX=sharpness[0], sigmaY=sharpness[1]), np.float32
        )
    if rng.random() < 0.3:
        grey = grey + np.where(image > 0, np.float32(rng.uniform(0, 0.12)), np.float32(0))
    changed = (np.clip(grey, 0, 1) * 255).astype(np.uint8)
    return _cut_borders(rng, changed, mask)


def _gain_curve(rng: np.random.Generator, n: int) -> NDArray[np.float32]:
    """Smooth factors (n,) around 1: time gain along the depth, or contact along the width."""
    knots = np.exp(rng.normal(0, 0.3, 5))
    return np.asarray(np.interp(np.linspace(0, 4, n), np.arange(5), knots), np.float32)


def _cut_borders(rng: np.random.Generator, image: Picture, mask: Picture) -> tuple[Picture, Picture]:
    image, mask = image.copy(), mask.copy()
    side = image.shape[0]
    for turn in range(4):
        if rng.random() < 0.15:
            band = int(rng.uniform(0, 0.2) * side)
            for part in (np.rot90(image, turn), np.rot90(mask, turn)):
                part[:band] = 0
    return image, mask
