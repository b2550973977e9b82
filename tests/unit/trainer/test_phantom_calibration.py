"""Phantoms against figures of 204 real frames of one linear probe."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from trainer.phantoms import blend_scanners, draw_frame, draw_mask, vessel_mask
from trainer.phantoms.calibration import grain_widths, vessel_shapes

TOLERANCE = 0.2
GREY_MEAN, GREY_SD, BLACK_SHARE = 40.5, 38.2, 0.16
GRAIN_PX = (3.7, 13.3)
"""Axial and lateral, in frames 512 px high."""
SHARES = (5, 25, 50, 75, 95)
RATIOS = (0.37, 0.61, 0.71, 0.82, 0.91)
DIAMETERS = (0.07, 0.13, 0.18, 0.24, 0.33)
DEPTHS = (0.22, 0.33, 0.43, 0.55, 0.73)
N_FRAMES, N_MASKS = 60, 500

Shapes = dict[str, list[float]]


def _draw(seed: int) -> NDArray[np.uint8]:
    return draw_frame(seed, scanner=blend_scanners(np.random.default_rng([1, seed])))[0]


@pytest.fixture(scope="module")
def images() -> NDArray[np.uint8]:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        return np.stack(list(pool.map(_draw, range(N_FRAMES), chunksize=10)))


@pytest.fixture(scope="module")
def shapes() -> Shapes:
    found = [
        shape
        for seed in range(N_MASKS)
        for shape in vessel_shapes(
            vessel_mask(draw_mask(seed, 256, blend_scanners(np.random.default_rng([1, seed]))))
        )
    ]
    return {name: [getattr(shape, name) for shape in found] for name in ("ratio", "diameter", "depth")}


def test_grey_has_the_mean_spread_and_black_share_of_real_frames(images: NDArray[np.uint8]) -> None:
    assert images.mean() == pytest.approx(GREY_MEAN, rel=TOLERANCE)
    assert images.std() == pytest.approx(GREY_SD, rel=TOLERANCE)
    assert (images == 0).mean() == pytest.approx(BLACK_SHARE, rel=TOLERANCE)


def test_speckle_is_as_wide_as_in_real_frames(images: NDArray[np.uint8]) -> None:
    assert np.nanmedian([grain_widths(image) for image in images], axis=0) == pytest.approx(
        GRAIN_PX, rel=TOLERANCE
    )


@pytest.mark.parametrize(
    ("name", "quantiles"), [("ratio", RATIOS), ("diameter", DIAMETERS), ("depth", DEPTHS)]
)
def test_vessels_have_the_quantiles_of_real_ones(
    shapes: Shapes, name: str, quantiles: tuple[float, ...]
) -> None:
    assert np.percentile(shapes[name], SHARES) == pytest.approx(quantiles, rel=TOLERANCE)


def test_the_grain_of_a_known_pattern_is_measured() -> None:
    noise = gaussian_filter(np.random.default_rng(0).standard_normal((512, 512)), (1.0, 3.0))
    axial, lateral = grain_widths(np.clip(128 + 300 * noise, 1, 255).astype(np.uint8))
    assert axial == pytest.approx(2.355 * np.sqrt(2) * 1.0, rel=0.2)
    assert lateral == pytest.approx(2.355 * np.sqrt(2) * 3.0, rel=0.2)


def test_the_shape_of_a_known_ellipse_is_measured() -> None:
    y, x = np.mgrid[:200, :400]
    (shape,) = vessel_shapes(((x - 100) / 40) ** 2 + ((y - 50) / 20) ** 2 < 1)
    assert shape.ratio == pytest.approx(0.5, rel=0.03)
    assert shape.diameter == pytest.approx(2 * np.sqrt(800) / 400, rel=0.03)
    assert shape.depth == pytest.approx(0.25, rel=0.02)
