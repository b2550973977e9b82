"""Masks to Label Studio's regions and back, with the real run-length code."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from adapters.brush import SdkBrushCodec
from loop.errors import BadAnnotation, BadMask
from loop.masks import Mask
from loop.regions import MAX_REGIONS, REGION_TYPE, mask_to_result, result_to_mask

CLASSES = ("Vein", "Artery")


@pytest.fixture(scope="module")
def codec() -> SdkBrushCodec:
    return SdkBrushCodec()


def disc(height: int, width: int, y: float, x: float, radius: float) -> Mask:
    rows, columns = np.mgrid[:height, :width]
    inside: Mask = (rows - y) ** 2 + (columns - x) ** 2 <= radius**2
    return inside


@pytest.fixture
def mask() -> Mask:
    ring = disc(40, 60, 20, 20, 12) & ~disc(40, 60, 20, 20, 6)
    return np.stack([ring | disc(40, 60, 8, 50, 4), disc(40, 60, 30, 48, 5)])


def test_a_mask_comes_back_from_its_regions_exactly(mask: Mask, codec: SdkBrushCodec) -> None:
    result = mask_to_result(mask, CLASSES, codec, "frame v1")
    assert [region["value"]["brushlabels"] for region in result] == [["Vein"], ["Vein"], ["Artery"]]
    assert np.array_equal(result_to_mask(result, CLASSES, 40, 60, codec), mask)


def test_the_same_key_gives_the_same_region_ids_and_another_key_others(
    mask: Mask, codec: SdkBrushCodec
) -> None:
    first = [region["id"] for region in mask_to_result(mask, CLASSES, codec, "a")]
    assert first == [region["id"] for region in mask_to_result(mask, CLASSES, codec, "a")]
    assert not set(first) & {region["id"] for region in mask_to_result(mask, CLASSES, codec, "b")}
    assert len(set(first)) == len(first)


def test_an_empty_mask_has_no_region_and_no_region_is_an_empty_mask(codec: SdkBrushCodec) -> None:
    empty = np.zeros((2, 8, 9), bool)
    assert mask_to_result(empty, CLASSES, codec, "k") == []
    assert np.array_equal(result_to_mask([], CLASSES, 8, 9, codec), empty)


def test_more_blobs_than_a_page_can_hold_are_merged_and_none_is_lost(codec: SdkBrushCodec) -> None:
    mask = np.zeros((2, 40, 40), bool)
    mask[0, ::4, ::4] = True
    result = mask_to_result(mask, CLASSES, codec, "k")
    assert len(result) == MAX_REGIONS
    assert np.array_equal(result_to_mask(result, CLASSES, 40, 40, codec), mask)


def test_each_class_shows_its_confidence(mask: Mask, codec: SdkBrushCodec) -> None:
    result = mask_to_result(mask, CLASSES, codec, "k", scores=[0.75, 0.5])
    assert [region["score"] for region in result] == [0.75, 0.75, 0.5]


def test_planes_that_do_not_fit_the_class_list_are_refused(mask: Mask, codec: SdkBrushCodec) -> None:
    with pytest.raises(BadMask):
        mask_to_result(mask, ("Vein",), codec, "k")


def damaged(result: Sequence[dict[str, Any]], **changes: Any) -> list[dict[str, Any]]:
    region = copy.deepcopy(result[0])
    value = {**region["value"], **changes.pop("value", {})}
    return [{**region, "value": value, **changes}]


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"original_width": 61}, "61 x 40"),
        ({"image_rotation": 90}, "rotated"),
        ({"type": "polygonlabels"}, "polygonlabels"),
        ({"type": "relation"}, "relation"),
        ({"value": {"brushlabels": ["Nerve"]}}, "Nerve"),
        ({"value": {"brushlabels": []}}, "without a label"),
        ({"value": {"format": "png"}}, "run-length"),
        ({"value": {"rle": [1, 2, 3]}}, "got"),
        ({"value": {"rle": None}}, "run-length"),
    ],
)
def test_a_region_that_cannot_be_read_is_refused_with_its_reason(
    mask: Mask, codec: SdkBrushCodec, changes: dict[str, Any], word: str
) -> None:
    result = damaged(mask_to_result(mask, CLASSES, codec, "k"), **changes)
    with pytest.raises(BadAnnotation, match=word):
        result_to_mask(result, CLASSES, 40, 60, codec)


@pytest.mark.parametrize(
    "result",
    [
        ["x"],
        [None],
        [[]],
        [{}] * 1001,
        [{"type": "x" * 10_000}],
        [{"type": REGION_TYPE, "value": {}}],
        [{1: 2}],
    ],
    ids=["text", "none", "list", "too many", "long", "empty value", "no words"],
)
def test_a_result_that_no_reader_drew_is_refused_in_a_short_sentence(
    result: Any, codec: SdkBrushCodec
) -> None:
    with pytest.raises(BadAnnotation) as refused:
        result_to_mask(result, CLASSES, 8, 8, codec)
    assert len(refused.value.message) < 400


@pytest.mark.parametrize(
    ("result", "got"),
    [
        ([None], "None in the place of region 1"),
        ([{"type": REGION_TYPE, "value": None}], "a region whose value is None"),
        ([{"type": REGION_TYPE, "value": [None]}], "a region whose value is of the kind list"),
        ([{"type": None, "value": None}], "a region of type None"),
        ([{"type": "relation"}], "a region of type relation"),
    ],
)
def test_what_stands_in_the_place_of_a_region_is_said(result: Any, got: str, codec: SdkBrushCodec) -> None:
    with pytest.raises(BadAnnotation) as refused:
        result_to_mask(result, CLASSES, 8, 8, codec)
    assert refused.value.got == got


def test_codes_that_would_take_hours_are_refused_before_the_first_is_read(codec: SdkBrushCodec) -> None:
    (region,) = mask_to_result(np.ones((2, 8, 8), dtype=np.bool_)[:1], CLASSES[:1], codec, "x")
    long = {**region, "value": {**region["value"], "rle": [0] * 1_000_001}}
    with pytest.raises(BadAnnotation, match="at most 4000000"):
        result_to_mask([long] * 4, CLASSES, 8, 8, codec)
