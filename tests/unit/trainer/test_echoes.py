"""Gain, time gain, speckle and shadow: what each changes in dB, and what in a picture."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from loop.errors import BadRequest
from trainer.augmentation.echoes import (
    GREYS_PER_DB,
    change_echoes,
    draw_shadow,
    draw_speckle,
    draw_time_gain,
)

GREY = np.tile(np.arange(256, dtype=np.uint8), (8, 1))


def width_at_half(values: NDArray[np.float64]) -> float:
    """Full width at half maximum of a falling curve that begins at its maximum, px."""
    half = values[0] / 2
    first = int(np.argmax(values < half))
    return float(2 * (first - 1 + (values[first - 1] - half) / (values[first - 1] - values[first])))


def test_a_change_is_the_same_in_every_grey_but_the_dark_ones_and_black_stays_black() -> None:
    for decibels in (-3.0, 3.0):
        changed = change_echoes(GREY, np.full((1, 1), decibels, np.float32)).astype(int)[0]
        assert changed[0] == 0
        assert (changed[40:200] - np.arange(40, 200) == round(decibels * GREYS_PER_DB)).all()
        assert (np.diff(changed) >= 0).all(), "darker stays darker"
        assert np.diff(changed)[:239].max() <= 2, "no gap between black and the dark beside it"
    assert (change_echoes(GREY, np.zeros((8, 256), np.float32)) == GREY).all()


@pytest.mark.parametrize(("axial", "lateral"), [(3.7, 13.3), (4.5, 13.9), (2.0, 6.7)])
def test_speckle_has_the_grain_it_was_asked_for_and_is_no_noise_of_single_pixels(
    axial: float, lateral: float
) -> None:
    change = draw_speckle(np.random.default_rng(1), (512, 512), 0.3, axial, lateral)
    field = (change - change.mean()).astype(np.float64)
    down = np.array([(field[: 512 - k] * field[k:]).mean() for k in range(40)])
    across = np.array([(field[:, : 512 - k] * field[:, k:]).mean() for k in range(40)])
    assert width_at_half(down) == pytest.approx(axial, rel=0.15)
    assert width_at_half(across) == pytest.approx(lateral, rel=0.15)


def test_speckle_gives_and_takes_as_much_power_and_the_more_the_stronger_it_is() -> None:
    spread = []
    for strength in (0.1, 0.3, 0.6, 1.0):
        change = draw_speckle(np.random.default_rng(2), (256, 256), strength, 4, 12)
        assert np.power(10, change / 10).mean() == pytest.approx(1, abs=0.05)
        spread.append(change.std())
    assert spread == sorted(spread)
    assert spread[-1] == pytest.approx(5.57, rel=0.1), (
        "the standard deviation of log-compressed Rayleigh speckle"
    )


def test_a_time_gain_is_a_smooth_curve_over_depth() -> None:
    for seed in range(30):
        curve = draw_time_gain(np.random.default_rng(seed), 256, 6.0)
        assert curve.shape == (256, 1)
        assert np.abs(curve).max() == pytest.approx(6)
        assert np.abs(np.diff(curve[:, 0])).max() < 6 * 4 * np.pi / 256


def test_a_shadow_falls_from_its_top_to_the_bottom_with_soft_edges() -> None:
    for seed in range(30):
        change = draw_shadow(np.random.default_rng(seed), (256, 256), 0.4, 0.1, 12)
        assert not change[:102].any()
        assert change.max() <= 0
        assert change.min() >= -12
        assert (change[150:].min(axis=1) < -11).all()
        assert np.abs(np.diff(change, axis=0)).max() < 3, "dB from pixel to pixel"
        assert np.abs(np.diff(change, axis=1)).max() < 3
        wide = (change < -6).sum(axis=1)
        assert wide[180] >= 10


def test_shadows_fan_out_from_the_middle() -> None:
    slopes: dict[bool, list[float]] = {True: [], False: []}
    for seed in range(60):
        change = draw_shadow(np.random.default_rng(seed), (200, 400), 0.1, 0.05, 20)
        upper, lower = (
            float(np.abs(change[row]) @ np.arange(400) / np.abs(change[row]).sum()) for row in (70, 190)
        )
        if 60 < upper < 130 or 270 < upper < 340:
            slopes[upper < 200].append(lower - upper)
    assert np.mean(slopes[True]) < -2
    assert np.mean(slopes[False]) > 2


@pytest.mark.parametrize("name", ["Gain", "TimeGain", "Speckle", "Shadow"])
def test_each_changes_the_picture_alone_and_nothing_where_there_is_no_picture(name: str) -> None:
    from trainer.augmentation import transforms

    transform = getattr(transforms, name)(p=1.0)
    image = np.zeros((64, 80), np.uint8)
    image[10:, 5:70] = np.random.default_rng(0).integers(60, 160, (54, 65))
    mask = (image > 100).astype(np.uint8)
    results: list[dict[str, Any]] = []
    for seed in (4, 4, 5):
        transform.set_random_seed(seed)
        results.append(transform(image=image, mask=mask))
    assert all((result["mask"] == mask).all() for result in results)
    first, same, other = (result["image"] for result in results)
    assert first.dtype == np.uint8
    assert (first == same).all()
    assert (first != other).any()
    assert (first != image).any()
    assert not first[:10].any()
    assert not first[:, 70:].any()


def test_impossible_ranges_are_refused() -> None:
    from trainer.augmentation import transforms

    for make in (
        lambda: transforms.Gain((3, -3)),
        lambda: transforms.TimeGain((-1, 3)),
        lambda: transforms.Speckle(strength=(0.2, 1.5)),
        lambda: transforms.Shadow(number=(0, 1)),
    ):
        with pytest.raises(BadRequest, match="range"):
            make()
