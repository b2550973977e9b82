"""What makes a frame look real, in figures: grey, speckle grain, and the size, shape and place of vessels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

_PATCH_PX = 32
_SMOOTH_PX = 8.0
_DARK = 20.0


@dataclass(frozen=True)
class VesselShape:
    """One connected vessel: diameter over the frame's width, depth over its height, minor over major axis."""

    diameter: float
    depth: float
    ratio: float


def grain_widths(image: NDArray[np.uint8]) -> tuple[float, float]:
    """Speckle grain of a grey frame (H, W) as axial and lateral px; NaN where no patch is bright enough.

    Full width at half maximum of the autocovariance in patches of 32 px, after taking off what a Gaussian of
    8 px keeps; the median over patches with a mean grey above 20 and hardly any black.
    """
    grey = image.astype(np.float64)
    detail = grey - ndimage.gaussian_filter(grey, _SMOOTH_PX)
    patches = np.stack([_tiles(grey), _tiles(detail)])
    usable = (patches[0].mean((1, 2)) > _DARK) & ((patches[0] == 0).mean((1, 2)) < 0.05)
    widths = [_half_widths(patch) for patch in patches[1, usable]]
    if not widths:
        return float("nan"), float("nan")
    axial, lateral = np.nanmedian(widths, axis=0)
    return float(axial), float(lateral)


def vessel_shapes(mask: NDArray[np.bool_]) -> list[VesselShape]:
    """The connected vessels of a mask (H, W) with at least 30 px; none for an empty mask."""
    labels, count = ndimage.label(mask)
    height, width = mask.shape
    shapes = []
    for index in range(1, count + 1):
        rows, columns = np.nonzero(labels == index)
        if len(rows) < 30:
            continue
        minor, major = np.linalg.eigvalsh(np.cov(np.stack([columns, rows])))
        diameter = float(np.sqrt(4 * len(rows) / np.pi)) / width
        shapes.append(VesselShape(diameter, float(rows.mean()) / height, float(np.sqrt(minor / major))))
    return shapes


def _tiles(image: NDArray[np.float64]) -> NDArray[np.float64]:
    rows, columns = image.shape[0] // _PATCH_PX, image.shape[1] // _PATCH_PX
    whole = image[: rows * _PATCH_PX, : columns * _PATCH_PX]
    grid = whole.reshape(rows, _PATCH_PX, columns, _PATCH_PX).swapaxes(1, 2)
    return grid.reshape(-1, _PATCH_PX, _PATCH_PX)


def _half_widths(patch: NDArray[np.float64]) -> tuple[float, float]:
    power = np.abs(fft.fft2(patch - patch.mean(), (2 * _PATCH_PX, 2 * _PATCH_PX))) ** 2
    covariance = fft.ifft2(power).real
    return _full_width(covariance[:_PATCH_PX, 0]), _full_width(covariance[0, :_PATCH_PX])


def _full_width(covariance: NDArray[np.float64]) -> float:
    """Twice the lag at which a covariance falls to one half, NaN where it never does."""
    share = covariance / covariance[0]
    below = int(np.argmax(share < 0.5))
    if below == 0:
        return float("nan")
    return float(2 * (below - 1 + (share[below - 1] - 0.5) / (share[below - 1] - share[below])))
