from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.formats.pixels import decode_frame, encode_png
from loop.errors import BadFrame
from loop.masks import Letterbox
from tests.discs import draw_disc
from trainer.dataset import read_image
from trainer.preparation import PLAIN, Preparation
from trainer.preprocess import (
    even_contrast,
    image_to_tensor,
    letterbox,
    look,
    mask_to_box,
    prepare,
    prepare_indices,
    probs_to_frame,
    view_to_frame,
)

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
        look(image, 64)


PREPARED = {
    "plain": PLAIN,
    "box": Preparation(crop="box", box=(0.2, 0.1, 0.9, 0.8)),
    "tiles": Preparation(tiles=True),
    "scaled tiles": Preparation(tiles=True, tile_frame=96, crop="box", box=(0.2, 0.1, 0.9, 0.8)),
}


@pytest.mark.parametrize("name", PREPARED)
@pytest.mark.parametrize("shape", [(80, 100), (101, 67), (632, 761), (33, 40)])
def test_a_disc_comes_back_from_every_preparation_where_it_was(name: str, shape: tuple[int, int]) -> None:
    image, mask = draw_disc(3, *shape)
    preparation = PREPARED[name]
    view = look(image, 64, preparation)
    indices = prepare_indices(mask[0].astype(np.uint8), view)
    assert indices.shape == prepare(image, view, preparation).shape == (view.grid.height, view.grid.width)
    back = view_to_frame(indices[np.newaxis].astype(np.float32), view)
    assert back.shape == (1, *shape)
    seen = view.crop.put_back(np.ones((1, *view.crop.shape), np.bool_))
    assert not back[~seen].any()
    found, truth = (back > 0.5) & seen, mask & seen
    assert 2 * (found & truth).sum() / (found.sum() + truth.sum()) > 0.94


@given(st.integers(1, 70), st.integers(1, 70), st.sampled_from(sorted(PREPARED)))
def test_any_size_of_frame_can_be_prepared(height: int, width: int, name: str) -> None:
    image = np.full((height, width), 90, np.uint8)
    preparation = replace(PREPARED[name], clahe_clip=2.0)
    view = look(image, 32, preparation)
    picture = prepare(image, view, preparation)
    probs = view_to_frame(np.ones((2, *picture.shape), np.float32), view)
    assert probs.shape == (2, height, width)
    assert view.crop.cut(probs).min() == 1


def test_clahe_evens_what_lies_within_the_crop_alone() -> None:
    """What is cut away, such as a white scale, has no say in the contrast of the rest."""
    preparation = Preparation(crop="box", box=(0, 0, 0.5, 1), clahe_clip=2.0, clahe_grid=4)
    image = draw_disc(1, 64, 128)[0]
    other = image.copy()
    other[:, 64:] = 255
    prepared = [prepare(i, look(i, 64, preparation), preparation) for i in (image, other)]
    assert (prepared[0] == prepared[1]).all()
    assert prepared[0].std() > 1.2 * image[:, :64].std()
    assert (prepared[0] == even_contrast(np.ascontiguousarray(image[:, :64]), 2.0, 4)).all()


def test_colour_becomes_grey_at_import_and_is_refused_everywhere_behind_it(tmp_path: Path) -> None:
    colour = np.random.default_rng(0).integers(0, 255, (40, 50, 3), np.uint8)
    grey = decode_frame(cv2.imencode(".png", colour[..., ::-1])[1].tobytes())
    assert np.abs(grey - colour @ np.array([0.299, 0.587, 0.114])).max() <= 1
    (tmp_path / "stored").write_bytes(encode_png(grey))
    assert (read_image(tmp_path / "stored", 1) == grey).all()
    cv2.imwrite(str(tmp_path / "colour.png"), colour)
    with pytest.raises(BadFrame, match="import"):
        read_image(tmp_path / "colour.png", 1)
    with pytest.raises(BadFrame, match="sonoloop add"):
        look(colour, 64)
