"""Stored masks, digests, overlaps and the letterbox."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from loop.errors import BadMask
from loop.masks import (
    Crop,
    Letterbox,
    Mask,
    check_mask,
    dice,
    exclusive,
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


@given(masks.filter(lambda mask: mask.shape[0] > 0))
def test_truth_of_one_class_a_pixel_is_what_a_perfect_answer_can_match(mask: Mask) -> None:
    alone, overlaps = exclusive(mask)
    assert np.array_equal(probs_to_mask(alone.astype(np.float32)), alone)
    assert overlaps == index_map(mask)[1]
    assert np.array_equal(index_map(alone)[0], index_map(mask)[0])
    assert index_map(alone)[1] == 0


def test_of_several_classes_only_the_likeliest_above_the_threshold_is_drawn() -> None:
    probs = np.array([[[0.9, 0.6, 0.4]], [[0.8, 0.7, 0.3]]], np.float32)
    assert probs_to_mask(probs).tolist() == [[[True, False, False]], [[False, True, False]]]
    assert probs_to_mask(probs[:1]).tolist() == [[[True, True, False]]]


@pytest.mark.parametrize("value", [np.nan, np.inf, -0.1, 1.1])
def test_numbers_that_are_no_probabilities_are_refused(value: float) -> None:
    with pytest.raises(BadMask):
        probs_to_mask(np.array([[[0.5, value]]], np.float32))


sides = st.integers(1, 3000)


@given(sides, sides, st.integers(1, 1024))
def test_the_frame_fills_the_box_along_its_longest_side(height: int, width: int, size: int) -> None:
    box = Letterbox(height, width, size)
    assert max(box.new_height, box.new_width) == size
    assert min(box.new_height, box.new_width) >= 1


def test_a_letterbox_without_pixels_is_refused() -> None:
    with pytest.raises(BadMask):
        Letterbox(0, 10, 64)


@st.composite
def crops(draw: st.DrawFn) -> Crop:
    height, width = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    top, left = draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))
    bottom, right = draw(st.integers(top + 1, height)), draw(st.integers(left + 1, width))
    return Crop(height, width, top, left, bottom, right)


@given(crops(), st.integers(1, 3))
def test_a_part_comes_back_to_the_frame_where_it_was_cut_and_nothing_lies_outside(
    crop: Crop, classes: int
) -> None:
    frame = np.arange(1, classes * crop.height * crop.width + 1).reshape(classes, crop.height, crop.width)
    part = crop.cut(frame)
    assert part.shape[1:] == crop.shape
    back = crop.put_back(part)
    assert back.shape == frame.shape
    assert (crop.cut(back) == part).all()
    assert np.count_nonzero(back) == part.size


@pytest.mark.parametrize("sides", [(0, 0, 0, 5), (3, 0, 2, 5), (0, 0, 11, 5), (-1, 0, 5, 5), (0, 2, 5, 21)])
def test_a_part_that_is_empty_or_beyond_the_frame_is_refused(sides: tuple[int, int, int, int]) -> None:
    with pytest.raises(BadMask):
        Crop(10, 20, *sides)


def test_a_part_of_another_size_is_not_put_back() -> None:
    with pytest.raises(BadMask):
        Crop(10, 20, 0, 0, 5, 5).put_back(np.zeros((1, 5, 6), np.float32))
