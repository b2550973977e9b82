"""What a scanner, its settings and the sound's way do to echoes, as changes in dB drawn from a generator.

A B-mode picture is log-compressed: a factor on the echoes is a sum on the greys. What is black stays so:
there was no echo within the range, or no picture.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Change = NDArray[np.float32]

GREYS_PER_DB = 255 / 60
"""Of a scanner that shows a range of 60 dB, a usual one."""
DIM = 24.0
"""Greys below it change the less the nearer they are to black, or black would break off from the dark beside
it.
"""
FWHM = 2.0 * np.sqrt(2.0 * np.log(2.0))


def change_echoes(image: Picture, decibels: Change) -> Picture:
    """Change the echoes of a picture uint8 (H, W) by (H, W), (H, 1) or (1, 1) dB."""
    grey = image.astype(np.float32)
    grey += decibels * np.float32(GREYS_PER_DB) * np.minimum(grey / np.float32(DIM), np.float32(1))
    return np.clip(np.rint(grey), 0, 255).astype(np.uint8)


def draw_speckle(
    generator: np.random.Generator, shape: tuple[int, int], strength: float, axial: float, lateral: float
) -> Change:
    """Interference of many weak echoes with the picture's own, dB (H, W), zero mean in power.

    `strength` 0..1 is the share of the amplitude that is speckle (1: Rayleigh, fully developed); `axial` and
    `lateral` are the grain, the full width at half maximum of its autocovariance in px.
    """
    field = generator.standard_normal((*shape, 2), dtype=np.float32)
    # The covariance of blurred noise is wider than the blur by the root of 2.
    sigma = axial / (FWHM * np.sqrt(2.0)), lateral / (FWHM * np.sqrt(2.0))
    field = np.asarray(cv2.GaussianBlur(field, (0, 0), sigmaX=sigma[1], sigmaY=sigma[0]), np.float32)
    field *= np.float32(strength / np.sqrt(2.0)) / field.std()
    field[..., 0] += np.float32(np.sqrt(1.0 - strength**2))
    power = np.maximum(np.square(field).sum(axis=2), np.float32(1e-3))
    return np.asarray(10 * np.log10(power), np.float32)


def draw_time_gain(generator: np.random.Generator, height: int, most: float, waves: int = 4) -> Change:
    """A smooth curve over depth, dB (H, 1), as of sliders that stand otherwise, up to `most` from 0."""
    depth = (np.arange(height) + 0.5) / height
    shares = generator.standard_normal(waves) / np.arange(1, waves + 1)
    curve = sum(share * np.cos(np.pi * (k + 1) * depth) for k, share in enumerate(shares))
    scaled = most * np.asarray(curve) / max(float(np.abs(curve).max()), 1e-6)
    return scaled.astype(np.float32)[:, None]


def draw_shadow(
    generator: np.random.Generator, shape: tuple[int, int], top: float, width: float, depth: float
) -> Change:
    """The shadow of bone, gas or poor contact, dB (H, W): `depth` dB down from `top` (share of the height),
    `width` (share of the picture's) wide and wider below, tilted away from the middle as the beams of a fan.
    """
    height, columns = shape
    y = ((np.arange(height, dtype=np.float32) + 0.5) / height)[:, None]
    x = ((np.arange(columns, dtype=np.float32) + 0.5) / columns)[None, :]
    centre = float(generator.uniform(0.05, 0.95))
    tilt = 0.3 * (centre - 0.5) + float(generator.normal(0, 0.03))
    below = np.maximum(y - np.float32(top), 0)
    half = np.float32(width / 2) * (1 + np.float32(0.5) * below)
    across = np.abs(x - np.float32(centre) - np.float32(tilt) * below) / half
    begun = np.clip(below / np.float32(generator.uniform(0.03, 0.15)), 0, 1)
    profile = np.exp2(-np.power(across, 2.5)) * begun * begun * (3 - 2 * begun)
    return np.asarray(-np.float32(depth) * profile, np.float32)
