"""Between masks and brush regions: one Label Studio result, alike for predictions and annotations."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loop.errors import BadAnnotation
from loop.masks import Mask, check_mask
from loop.ports import BrushCodec

CONTROL = "brush"
IMAGE = "image"
REGION_TYPE = "brushlabels"
MAX_REGIONS = 20
MOST_READ = 1000
"""Regions of one annotation that are read; each may take a second to unpack on a large frame."""
MOST_CODE = 4_000_000
"""Numbers of run-length code in one annotation: a vein takes a thousand, the noisiest megapixel 900,000,
which are a minute's work.
"""
LONGEST_WORD = 80


def mask_to_result(
    mask: Mask,
    classes: Sequence[str],
    codec: BrushCodec,
    key: str,
    scores: Sequence[float] | None = None,
) -> list[dict[str, Any]]:
    """Bool (C, H, W) to a Label Studio result: one region per blob, at most 20 a class, the rest merged into
    the last.

    Region ids depend on `key`, class and place in the list alone, so that the same prediction always has the
    same ids; `scores` holds one confidence per class. An empty mask gives []. Raises BadMask when the planes
    do not match `classes`.
    """
    height, width = mask.shape[-2:]
    check_mask(mask, len(classes), height, width)
    return [
        _region(
            blob,
            label,
            codec,
            _region_id(key, label, index),
            None if scores is None else float(scores[plane]),
        )
        for plane, label in enumerate(classes)
        for index, blob in enumerate(_blobs(mask[plane], codec))
    ]


def result_to_mask(
    result: Sequence[Mapping[str, Any]], classes: Sequence[str], height: int, width: int, codec: BrushCodec
) -> Mask:
    """A Label Studio result to bool (C, height, width), the regions of one label OR-ed; [] gives the empty
    mask.

    Raises BadAnnotation for a region of another type, size, rotation or label, and for an unreadable code.
    """
    if len(result) > MOST_READ:
        raise BadAnnotation(f"a result of {len(result)} parts", f"a list of at most {MOST_READ} regions")
    for number, region in enumerate(result, 1):
        if not isinstance(region, Mapping):
            raise BadAnnotation(f"{_word(region)} in the place of region {number}", "a brush region")
    mask = np.zeros((len(classes), height, width), dtype=np.bool_)
    length = sum(len(_rle(region)) for region in result if _labels(region))
    if length > MOST_CODE:
        raise BadAnnotation(f"run-length codes of {length} numbers", f"at most {MOST_CODE} in one annotation")
    for region in result:
        planes = [_plane(label, classes, region) for label in _labels(region)]
        _check_size(region, height, width)
        mask[planes] |= codec.decode(_rle(region), height, width)
    return mask


def _blobs(plane: NDArray[np.bool_], codec: BrushCodec) -> list[NDArray[np.bool_]]:
    blobs = codec.components(plane)
    if len(blobs) <= MAX_REGIONS:
        return blobs
    rest = np.logical_or.reduce(blobs[MAX_REGIONS - 1 :])
    return [*blobs[: MAX_REGIONS - 1], rest]


def _region(
    blob: NDArray[np.bool_], label: str, codec: BrushCodec, region_id: str, score: float | None
) -> dict[str, Any]:
    height, width = blob.shape
    region: dict[str, Any] = {
        "id": region_id,
        "type": REGION_TYPE,
        "from_name": CONTROL,
        "to_name": IMAGE,
        "original_width": width,
        "original_height": height,
        "image_rotation": 0,
        "value": {"format": "rle", "rle": codec.encode(blob), REGION_TYPE: [label]},
    }
    return region if score is None else {**region, "score": score}


def _region_id(key: str, label: str, index: int) -> str:
    return hashlib.sha256(f"{key}\n{label}\n{index}".encode()).hexdigest()[:10]


def _labels(region: Mapping[str, Any]) -> list[str]:
    value = region.get("value")
    if region.get("type") == REGION_TYPE and not isinstance(value, Mapping):
        raise BadAnnotation(
            f"a region whose value is {_word(value)}", "its labels and code", region=_word(region.get("id"))
        )
    if not isinstance(value, Mapping) or region.get("type") != REGION_TYPE:
        raise BadAnnotation(
            f"a region of type {_word(region.get('type'))}",
            f"{REGION_TYPE!r}",
            region=_word(region.get("id")),
        )
    labels = value.get(REGION_TYPE)
    if not isinstance(labels, list) or not labels:
        raise BadAnnotation(
            "a region without a label", "a label of the project", region=_word(region.get("id"))
        )
    return labels


def _plane(label: object, classes: Sequence[str], region: Mapping[str, Any]) -> int:
    if label not in classes:
        raise BadAnnotation(
            f"the label {_word(label)}", f"one of {', '.join(classes)}", region=_word(region.get("id"))
        )
    return classes.index(str(label))


def _check_size(region: Mapping[str, Any], height: int, width: int) -> None:
    got = region.get("original_width"), region.get("original_height")
    if got != (width, height):
        raise BadAnnotation(
            f"a region drawn on {_word(got[0])} x {_word(got[1])} px",
            f"{width} x {height} px",
            region=_word(region.get("id")),
        )
    if region.get("image_rotation") not in (0, None):
        raise BadAnnotation("a region drawn on a rotated image", "rotation 0", region=_word(region.get("id")))


def _rle(region: Mapping[str, Any]) -> Sequence[int]:
    value = region["value"]
    rle = value.get("rle")
    if value.get("format") != "rle" or not isinstance(rle, list):
        raise BadAnnotation(
            "a brush region without a run-length code", "format 'rle'", region=_word(region.get("id"))
        )
    return rle


def _word(value: object) -> str:
    """What stands where a short word belongs, as a message may show it."""
    is_plain = isinstance(value, str | int | float | None)
    text = (
        repr(value) if is_plain and len(str(value)) <= LONGEST_WORD else f"of the kind {type(value).__name__}"
    )
    return text.strip("'")
