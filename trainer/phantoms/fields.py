"""Smooth random fields and curves: the raw material of anatomy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


def bump_basis(n: int, sigma: float) -> Array:
    """Gaussian bumps one sigma apart as (n, bumps), scaled so that white weights give unit variance."""
    sigma = min(max(sigma, 1.0), 4.0 * n)
    centres = np.arange(-3 * sigma, n + 3 * sigma + sigma, sigma, dtype=np.float32)
    basis = np.exp(-0.5 * ((np.arange(n, dtype=np.float32)[:, None] - centres) / sigma) ** 2)
    return np.asarray(basis / np.sqrt((basis**2).sum(1, keepdims=True)), np.float32)


def smooth_noise(rng: np.random.Generator, shape: tuple[int, int], sigma_y: float, sigma_x: float) -> Array:
    """Gaussian field (H, W) float32 of unit variance, smooth over sigma_y and sigma_x px."""
    rows, columns = bump_basis(shape[0], sigma_y), bump_basis(shape[1], sigma_x)
    weights = rng.standard_normal((rows.shape[1], columns.shape[1]), dtype=np.float32)
    return np.asarray(rows @ weights @ columns.T, np.float32)


def smooth_curve(rng: np.random.Generator, n: int, sigma: float) -> Array:
    """Gaussian curve (n,) float32 of unit variance, smooth over sigma px."""
    basis = bump_basis(n, sigma)
    return np.asarray(basis @ rng.standard_normal(basis.shape[1], dtype=np.float32), np.float32)


def soft_step(x: Array, width: float) -> Array:
    """0 to 1 from -width to +width, without corners."""
    t = np.clip(x / (2 * width) + 0.5, 0.0, 1.0)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def from_quantiles(u: float, probabilities: tuple[float, ...], values: tuple[float, ...]) -> float:
    """The value whose share below is u, linear between the given quantiles."""
    return float(np.interp(u, probabilities, values))
