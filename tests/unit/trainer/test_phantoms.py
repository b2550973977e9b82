from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

from loop.errors import BadRequest
from trainer.phantoms import (
    CLASSES,
    DEMO_SCANNER,
    PRETRAINING_SCANNERS,
    Scanner,
    draw_clip,
    draw_frame,
    draw_mask,
    vessel_mask,
)
from trainer.phantoms.outline import draw_outline, specular
from trainer.phantoms.speckle import compress, draw_scatterers, spread


def test_a_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    first, again, other = (draw_clip(seed, 2, 128) for seed in (3, 3, 4))
    assert first.images.tobytes() == again.images.tobytes()
    assert first.masks.tobytes() == again.masks.tobytes()
    assert first.clip_id == again.clip_id != other.clip_id
    assert first.images.tobytes() != other.images.tobytes()


def test_a_clip_has_the_stated_shapes_types_and_indices() -> None:
    clip = draw_clip(0, 3, 128)
    assert clip.images.shape == clip.masks.shape == (3, 128, 128)
    assert clip.images.dtype == clip.masks.dtype == np.uint8
    assert clip.masks.max() < len(CLASSES)


def test_a_frame_is_the_first_of_its_clip_and_its_mask_can_be_drawn_alone() -> None:
    image, mask = draw_frame(5, 128)
    clip = draw_clip(5, 2, 128)
    assert (image == clip.images[0]).all()
    assert (mask == clip.masks[0]).all()
    assert (mask == draw_mask(5, 128)).all()


def test_the_frames_of_a_clip_move_but_show_one_anatomy() -> None:
    overlaps = []
    for seed in range(12):
        clip = draw_clip(seed, 4, 128)
        assert (clip.images[0] != clip.images[3]).any()
        first, last = vessel_mask(clip.masks[0]), vessel_mask(clip.masks[3])
        if first.any():
            overlaps.append(2 * (first & last).sum() / (first.sum() + last.sum()))
    assert np.median(overlaps) > 0.8
    assert min(overlaps) < 1.0


def test_veins_and_arteries_both_occur_and_about_a_tenth_of_the_frames_has_neither() -> None:
    masks = [draw_mask(seed, 128) for seed in range(300)]
    present = np.array([[(mask == index).any() for index in (1, 2)] for mask in masks])
    assert present[:, 0].mean() > 0.4
    assert present[:, 1].mean() > 0.25
    assert 0.05 < (~present.any(1)).mean() < 0.16


def test_lumen_is_darker_than_its_surroundings_in_nearly_every_frame() -> None:
    darker = []
    for seed in range(25):
        image, mask = draw_frame(seed, 192)
        inside = vessel_mask(mask)
        if inside.any():
            darker.append(image[inside].mean() < image[_ring(inside)].mean())
    assert np.mean(darker) > 0.9


def test_vessels_lie_within_the_picture_and_not_on_its_black_borders() -> None:
    for seed in range(20):
        image, mask = draw_frame(seed, 128, DEMO_SCANNER)
        shown = image.any(1)
        assert not vessel_mask(mask)[~shown].any()


@pytest.mark.parametrize(("frames", "size"), [(0, 128), (1, 32)])
def test_an_impossible_clip_is_refused_with_what_is_needed(frames: int, size: int) -> None:
    with pytest.raises(BadRequest, match="at least 1 frame of 64 px"):
        draw_clip(0, frames, size)


def test_a_scanner_of_impossible_values_is_refused() -> None:
    with pytest.raises(BadRequest, match="gamma"):
        Scanner("broken", gamma=-1.0)


def test_the_demo_scanner_lies_outside_all_that_pretraining_blends() -> None:
    """A blend is a convex mixture: what lies outside its parts lies outside every blend."""

    def is_outside(name: str) -> bool:
        values = [getattr(scanner, name) for scanner in PRETRAINING_SCANNERS]
        return not min(values) <= getattr(DEMO_SCANNER, name) <= max(values)

    parts = ("axial_fwhm", "lateral_fwhm", "gamma", "residual_db", "noise_db", "clutter_db", "side_border")
    assert [name for name in parts if not is_outside(name)] == []


def test_speckle_before_compression_is_rayleigh_and_keeps_its_power() -> None:
    rng = np.random.default_rng(0)
    envelope = np.abs(spread(draw_scatterers(rng, (512, 512)), PRETRAINING_SCANNERS[0], 1.0))
    middle = envelope[64:448, 64:448]
    assert middle.mean() / middle.std() == pytest.approx(1.91, abs=0.1)
    assert (middle**2).mean() == pytest.approx(1.0, abs=0.15)


def test_compression_is_black_below_the_range_white_at_the_ceiling_and_never_falls() -> None:
    envelope = np.logspace(-5, 2, 200, dtype=np.float32)[None]
    grey = compress(envelope, 20.0, 50.0, 2.0)[0]
    assert grey[0] == 0
    assert grey[-1] == 255
    assert (np.diff(grey.astype(int)) >= 0).all()


def test_an_interface_along_the_beam_sends_nothing_back() -> None:
    echo = specular(np.array([0.0, 1.0, 1000.0], np.float32))
    assert echo[0] == 1
    assert echo[1] == pytest.approx(0.25)
    assert echo[2] < 1e-9


@settings(max_examples=30, deadline=None)
@given(
    diameter=st.floats(10, 200),
    ratio=st.floats(0.35, 1.0),
    tilt=st.floats(-3, 3),
    seed=st.integers(0, 2**31),
)
def test_an_outline_has_the_area_of_its_equivalent_diameter(
    diameter: float, ratio: float, tilt: float, seed: int
) -> None:
    x, y = draw_outline(np.random.default_rng(seed), 300, 300, diameter, ratio, tilt, 0.05).points()
    area = 0.5 * abs(float(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1))))
    assert area == pytest.approx(np.pi * diameter**2 / 4, rel=0.01)


def _ring(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    near, far = (binary_dilation(inside, iterations=n) for n in (2, 6))
    return np.asarray(far & ~near, np.bool_)
