from __future__ import annotations

import numpy as np
import pytest

from loop.errors import BadFrame
from loop.masks import Letterbox
from tests.discs import draw_disc
from trainer.preprocess import frame_box, image_to_tensor, letterbox, mask_to_box, probs_to_frame

SHAPES = [(80, 100), (100, 80), (64, 64), (632, 761), (30, 40), (1, 500)]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_frame_of_any_shape_fills_its_box_from_the_upper_left(shape: tuple[int, int]) -> None:
    box = Letterbox(*shape, 64)
    boxed = letterbox(np.full(shape, 255, np.uint8), 64)
    assert boxed.shape == (64, 64)
    assert boxed[: box.new_height, : box.new_width].min() == 255
    assert boxed[box.new_height :].max(initial=0) == boxed[:, box.new_width :].max(initial=0) == 0


def test_black_and_white_are_minus_two_and_two() -> None:
    tensor = image_to_tensor(np.array([[0, 255]], np.uint8), 32)
    assert tensor.dtype == np.float32
    assert tensor.shape == (1, 32, 32)
    assert (tensor.min(), tensor.max()) == (-2.0, 2.0)


@pytest.mark.parametrize("shape", SHAPES[:4])
def test_a_disc_comes_back_from_the_box_where_it_was(shape: tuple[int, int]) -> None:
    _, mask = draw_disc(3, *shape)
    boxed = mask_to_box(mask[0].astype(np.uint8), 512)
    back = probs_to_frame(boxed[np.newaxis].astype(np.float32), Letterbox(*shape, 512)) > 0.5
    assert 2 * (back & mask).sum() / (back.sum() + mask.sum()) > 0.985


def test_class_indices_are_never_blended() -> None:
    indices = np.zeros((50, 70), np.uint8)
    indices[10:20, 10:30], indices[20:30, 10:30] = 1, 3
    assert set(np.unique(mask_to_box(indices, 64))) == {0, 1, 3}


def test_a_box_as_large_as_the_frame_changes_nothing() -> None:
    image, mask = draw_disc(1, 64, 64)
    probs = mask.astype(np.float32)
    assert (letterbox(image, 64) == image).all()
    assert (probs_to_frame(probs, Letterbox(64, 64, 64)) == probs).all()


@pytest.mark.parametrize(
    "image", [np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4)), np.zeros((0, 4), np.uint8)]
)
def test_anything_but_grey_pixels_is_refused(image: np.ndarray) -> None:  # type: ignore[type-arg]
    with pytest.raises(BadFrame):
        frame_box(image, 64)
