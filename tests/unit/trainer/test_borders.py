from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from loop.errors import BadFrame
from trainer.borders import MARGIN, find_crop, find_picture
from trainer.preparation import Preparation


def scanned(height: int, width: int, sides: tuple[int, int, int, int]) -> NDArray[np.uint8]:
    """Speckle within (left, top, right, bottom) of a black frame, a bright letter in one of its corners."""
    image = np.zeros((height, width), np.uint8)
    left, top, right, bottom = sides
    speckle = np.random.default_rng(1).gamma(1.5, 20, (bottom - top, right - left))
    image[top:bottom, left:right] = np.clip(speckle, 0, 255)
    cv2.putText(image, "m", (2, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.5, 255, 2)
    return image


@settings(max_examples=40)
@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 60), st.integers(0, 60))
def test_black_borders_go_and_nothing_of_the_picture_does(
    left: int, top: int, right: int, bottom: int
) -> None:
    sides = (left, top, 300 - right, 240 - bottom)
    crop = find_picture(scanned(240, 300, sides))
    assert crop.left <= left
    assert crop.top <= top
    assert crop.right >= sides[2]
    assert crop.bottom >= sides[3]
    if min(left, top) > 25:  # clear of the letter
        slack = np.ceil(MARGIN * 300) + 3  # speckle may be black at its very edge
        assert max(left - crop.left, top - crop.top, crop.right - sides[2], crop.bottom - sides[3]) <= slack


def test_letters_and_scales_beside_the_picture_do_not_widen_it() -> None:
    plain = scanned(400, 500, (100, 60, 400, 380))
    marked = plain.copy()
    cv2.putText(marked, "12:04 L12-3", (330, 24), cv2.FONT_HERSHEY_SIMPLEX, 0.6, 255, 2)
    marked[60:380:20, 470:480] = 200
    marked[100:300, 20:30] = np.linspace(255, 0, 200)[:, None]
    assert find_picture(marked) == find_picture(plain)


def test_a_mirrored_frame_has_the_mirrored_crop() -> None:
    image = scanned(240, 300, (40, 50, 250, 230))
    crop, other = find_picture(image), find_picture(np.ascontiguousarray(image[:, ::-1]))
    assert (other.left, other.right) == (300 - crop.right, 300 - crop.left)
    assert (other.top, other.bottom) == (crop.top, crop.bottom)


@pytest.mark.parametrize("image", [np.zeros((90, 120), np.uint8), scanned(240, 300, (140, 110, 180, 150))])
def test_where_there_is_no_picture_or_hardly_one_the_whole_frame_is_looked_at(
    image: NDArray[np.uint8],
) -> None:
    assert find_picture(image).shape == image.shape


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (8, 8), (33, 7)])
def test_a_small_or_narrow_frame_is_looked_at_whole(shape: tuple[int, int]) -> None:
    assert find_picture(np.full(shape, 90, np.uint8)).shape == shape


def test_a_box_is_given_in_shares_or_in_pixels() -> None:
    image = np.zeros((100, 200), np.uint8)
    shares = find_crop(image, Preparation(crop="box", box=(0.1, 0.07, 0.55, 1)))
    assert (shares.left, shares.top, shares.right, shares.bottom) == (20, 7, 110, 100)
    pixels = find_crop(image, Preparation(crop="box", box=(10, 20, 5000, 90), box_unit="px"))
    assert (pixels.left, pixels.top, pixels.right, pixels.bottom) == (10, 20, 200, 90)


def test_a_frame_that_has_nothing_of_the_box_is_refused() -> None:
    beyond = Preparation(crop="box", box=(300, 0, 400, 90), box_unit="px")
    with pytest.raises(BadFrame, match="300"):
        find_crop(np.zeros((100, 200), np.uint8), beyond)


@pytest.mark.needs_data
def test_nothing_but_black_is_cut_off_where_readers_of_real_frames_saw_a_vessel(data_root: Path) -> None:
    shares = []
    for path in sorted(data_root.glob("*/images/*.png")):
        image = np.asarray(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE), np.uint8)
        mask = cv2.imread(str(path.parents[1] / "masks" / path.name), cv2.IMREAD_GRAYSCALE)
        crop = find_picture(image)
        lost = np.asarray(mask).copy()
        crop.cut(lost)[:] = 0  # two readers drew on beyond the picture
        assert image[lost > 0].max(initial=0) == 0, path.name
        shares.append(np.prod(crop.shape) / image.size)
    assert np.mean(shares) < 0.9
