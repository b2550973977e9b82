"""The brush codec: masks survive the way to Label Studio and back, and no list of numbers does harm."""

from __future__ import annotations

from contextlib import suppress
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from adapters.brush import SdkBrushCodec
from loop.errors import BadAnnotation, BadMask
from loop.masks import Mask

CODEC = SdkBrushCodec()
sides = st.integers(1, 40)
masks = st.tuples(sides, sides).flatmap(lambda shape: arrays(np.bool_, shape))


def disc(radius: int, side: int = 96) -> Mask:
    y, x = np.mgrid[:side, :side] - side // 2
    return np.asarray(y * y + x * x <= radius * radius)


def soft(alpha: np.ndarray[Any, Any]) -> list[int]:
    """A region as the browser stores it: values between 0 and 255 at its edge."""
    from label_studio_sdk.converter import brush

    encode: Any = brush.encode_rle
    return [int(byte) for byte in encode(np.repeat(alpha.ravel(), 4))]


@pytest.fixture(autouse=True, scope="module")
def _codec_is_warm() -> None:
    CODEC.warm_up()


@given(masks)
def test_any_mask_comes_back_exactly(mask: Mask) -> None:
    assert np.array_equal(CODEC.decode(CODEC.encode(mask), *mask.shape), mask)


@pytest.mark.parametrize("radius", range(1, 40, 3))
def test_discs_and_rings_come_back_exactly_holes_included(radius: int) -> None:
    ring = disc(radius) & ~disc(radius // 2)
    for mask in (disc(radius), ring, ~ring):
        assert np.array_equal(CODEC.decode(CODEC.encode(mask), *mask.shape), mask)


def test_a_run_longer_than_the_code_can_say_at_once_comes_back_exactly() -> None:
    mask = np.ones((300, 301), dtype=np.bool_)  # 361,200 values, five times the longest run
    assert np.array_equal(CODEC.decode(CODEC.encode(mask), 300, 301), mask)


def test_a_code_is_made_of_plain_integers_that_json_can_carry() -> None:
    assert {type(byte) for byte in CODEC.encode(disc(9))} == {int}


def test_half_covered_pixels_count_as_drawn_and_fainter_ones_do_not() -> None:
    alpha = np.array([[0, 1, 127, 128, 254, 255]], dtype=np.uint8)
    assert CODEC.decode(soft(alpha), 1, 6).tolist() == [[False, False, False, True, True, True]]


def test_a_soft_value_in_the_very_last_pixel_is_no_sign_of_damage() -> None:
    alpha = np.array([[0, 255, 130]], dtype=np.uint8)
    assert CODEC.decode(soft(alpha), 1, 3).tolist() == [[False, True, True]]


@given(masks, st.integers(-3, 3), st.integers(-3, 3))
def test_a_code_for_another_size_is_refused(mask: Mask, taller: int, wider: int) -> None:
    height, width = mask.shape[0] + taller, mask.shape[1] + wider
    if height * width != mask.size and height > 0 and width > 0:
        with pytest.raises(BadAnnotation):
            CODEC.decode(CODEC.encode(mask), height, width)


@given(masks, st.data())
def test_a_code_cut_short_is_refused_or_still_says_the_same(mask: Mask, data: st.DataObject) -> None:
    rle = CODEC.encode(mask)
    cut = rle[: data.draw(st.integers(0, len(rle) - 1))]
    with suppress(BadAnnotation):  # where it is not refused, what was cut off was padding
        assert np.array_equal(CODEC.decode(cut, *mask.shape), mask)


@settings(max_examples=300)
@given(st.lists(st.integers(0, 255), max_size=60), st.integers(1, 5), st.integers(1, 5))
def test_no_list_of_bytes_does_worse_than_being_refused(body: list[int], height: int, width: int) -> None:
    header = [*(height * width * 4).to_bytes(4, "big")]
    for rle in (body, header + body):
        with suppress(BadAnnotation):
            assert CODEC.decode(rle, height, width).shape == (height, width)


@pytest.mark.parametrize(
    "byte", [-1, 256, 2**40, 1.0, True, None, "7", [0]], ids=lambda value: f"{type(value).__name__} {value}"
)
def test_anything_but_a_byte_in_the_code_is_refused(byte: object) -> None:
    rle: list[Any] = CODEC.encode(disc(5))
    rle[9] = byte
    with pytest.raises(BadAnnotation):
        CODEC.decode(rle, 96, 96)


def test_a_forged_header_is_refused_before_memory_is_reserved_for_it() -> None:
    forged = [255, 255, 255, 255, *CODEC.encode(disc(5))[4:]]
    with pytest.raises(BadAnnotation, match="4294967295"):
        CODEC.decode(forged, 96, 96)


def test_a_code_longer_than_its_size_allows_is_refused_before_it_is_read() -> None:
    with pytest.raises(BadAnnotation, match="bytes"):
        CODEC.decode([*(16).to_bytes(4, "big"), *[0] * 1000], 2, 2)


@pytest.mark.parametrize(
    "array", [np.zeros((4, 4), np.uint8), np.zeros((1, 4, 4), np.bool_), np.zeros((0, 4), np.bool_)]
)
def test_what_is_no_mask_is_not_encoded(array: Any) -> None:
    with pytest.raises(BadMask):
        CODEC.encode(array)


@given(masks)
def test_blobs_are_disjoint_together_the_mask_and_sorted_by_size(mask: Mask) -> None:
    blobs = CODEC.components(mask)
    assert all(blob.any() for blob in blobs)
    assert np.array_equal(sum((blob.astype(int) for blob in blobs), np.zeros(mask.shape, int)), mask)
    assert all(left.sum() >= right.sum() for left, right in pairwise(blobs))


def test_pixels_that_touch_at_a_corner_are_one_blob_and_others_are_not() -> None:
    mask = np.array([[1, 0, 0, 0, 1], [0, 1, 0, 0, 0]], dtype=np.bool_)
    assert [int(blob.sum()) for blob in CODEC.components(mask)] == [2, 1]


def test_an_empty_mask_has_no_blobs() -> None:
    assert CODEC.components(np.zeros((8, 8), dtype=np.bool_)) == []
