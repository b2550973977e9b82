"""Stored masks, digests, overlaps and the letterbox."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from loop.errors import BadMask
from loop.masks import (
    Letterbox,
    Mask,
    check_mask,
    dice,
    index_map,
    mask_digest,
    pack,
    probs_to_mask,
    union,
    unpack,
)

shapes = st.tuples(st.integers(0, 3), st.integers(0, 9), st.integers(0, 9))
masks = shapes.flatmap(lambda shape: npst.arrays(np.bool_, shape))


@given(masks)
def test_unpacking_gives_back_what_was_packed(mask: Mask) -> None:
    assert np.array_equal(unpack(pack(mask)), mask)
    assert unpack(pack(mask)).shape == mask.shape


@given(masks, masks)
def test_two_masks_have_one_digest_exactly_when_they_are_equal(a: Mask, b: Mask) -> None:
    same = a.shape == b.shape and np.array_equal(a, b)
    assert (mask_digest(a) == mask_digest(b)) == same


@given(masks.filter(lambda mask: mask.size > 0), st.data())
def test_a_damaged_stored_mask_is_refused_or_differs(mask: Mask, data: st.DataObject) -> None:
    packed = pack(mask)
    cut = data.draw(st.integers(0, len(packed) - 1))
    with pytest.raises(BadMask):
        unpack(packed[:cut])
    with pytest.raises(BadMask):
        unpack(packed + b"\0")


def test_a_header_that_promises_too_much_is_refused_without_being_unpacked() -> None:
    with pytest.raises(BadMask, match="pixels"):
        unpack(b"SLM1" + b"\xff" * 12 + b"x")


@pytest.mark.parametrize(
    "bad", [np.zeros((1, 2, 2), np.uint8), np.zeros((2, 2), bool), np.zeros((1, 2, 3), bool)]
)
def test_a_mask_of_another_kind_is_refused_with_what_was_needed(bad: Mask) -> None:
    with pytest.raises(BadMask, match="need"):
        check_mask(bad, 1, 2, 2)


def test_dice_of_two_empty_masks_is_undefined_and_of_one_empty_is_zero() -> None:
    empty, full = np.zeros((1, 2, 2), bool), np.ones((1, 2, 2), bool)
    assert dice(empty, empty) is None
    assert dice(empty, full) == 0.0
    assert dice(full, full) == 1.0
    with pytest.raises(BadMask):
        dice(full, np.ones((1, 2, 3), bool))


@given(masks.filter(lambda mask: mask.shape[0] > 0))
def test_the_first_class_of_the_list_wins_an_overlap(mask: Mask) -> None:
    indices, overlaps = index_map(mask)
    for y, x in np.ndindex(mask.shape[1:]):
        here = np.flatnonzero(mask[:, y, x])
        assert indices[y, x] == (here[0] + 1 if len(here) else 0)
    assert overlaps == sum(mask.sum(axis=0).ravel() > 1)
    assert np.array_equal(indices > 0, union(mask))


def test_of_several_classes_only_the_likeliest_above_the_threshold_is_drawn() -> None:
    probs = np.array([[[0.9, 0.6, 0.4]], [[0.8, 0.7, 0.3]]], np.float32)
    assert probs_to_mask(probs).tolist() == [[[True, False, False]], [[False, True, False]]]
    assert probs_to_mask(probs[:1]).tolist() == [[[True, True, False]]]


@pytest.mark.parametrize("value", [np.nan, np.inf, -0.1, 1.1])
def test_numbers_that_are_no_probabilities_are_refused(value: float) -> None:
    with pytest.raises(BadMask):
        probs_to_mask(np.array([[[0.5, value]]], np.float32))


sides = st.integers(1, 3000)


@given(sides, sides, st.integers(1, 1024), st.floats(0, 1), st.floats(0, 1))
def test_a_point_comes_back_from_the_letterbox_where_it_was(
    height: int, width: int, size: int, across: float, down: float
) -> None:
    box = Letterbox(height, width, size)
    x, y = across * width, down * height
    assert box.to_frame(*box.to_box(x, y)) == pytest.approx((x, y))


@given(sides, sides, st.integers(1, 1024))
def test_the_frame_fills_the_box_along_its_longest_side(height: int, width: int, size: int) -> None:
    box = Letterbox(height, width, size)
    assert max(box.new_height, box.new_width) == size
    assert min(box.new_height, box.new_width) >= 1
    assert box.to_box(width, height) == pytest.approx((box.new_width, box.new_height))


def test_a_letterbox_without_pixels_is_refused() -> None:
    with pytest.raises(BadMask):
        Letterbox(0, 10, 64)
