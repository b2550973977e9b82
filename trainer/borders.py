"""Which part of a frame is looked at: a fixed box, or what lies within a scanner's black surround."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from loop.errors import BadFrame
from loop.masks import Crop
from trainer.preparation import Preparation

BLACK = 1
"""Grey up to which a pixel counts as black. No higher: deep tissue is 2 or 3 on real frames, and at 6 deep
vessels were cut on up to eight of 204.
"""
BRIDGE = 0.02
"""Gaps up to this share of the frame's longest side are bridged: speckle joins to a picture, letters and
scales stay apart from it.
"""
PART = 0.02
"""Share of the frame from which on a joined area is part of the picture; letters and bars are smaller."""
MARGIN = 0.01
"""What is kept around the picture, as a share of the frame's longest side."""
LEAST = 0.2
"""A picture of less than this share of the frame is not believed: then the whole frame is looked at."""


def find_crop(image: NDArray[np.uint8], preparation: Preparation) -> Crop:
    """The part of a frame uint8 (H, W) that is looked at; it depends on the frame alone.

    Raises BadFrame for a frame that has nothing of a box in px.
    """
    if preparation.crop == "box":
        return _box(image, preparation)
    if preparation.crop == "borders":
        return find_picture(image)
    return _whole(image)


def find_picture(image: NDArray[np.uint8]) -> Crop:
    """The least rectangle that holds every large area that is not black, and a margin; the whole frame where
    there is no such area or the rectangle is too small a part to be the picture.
    """
    height, width = image.shape
    longest = max(height, width)
    areas = _large_areas(image, max(1, round(BRIDGE * longest)))
    rows, columns = np.flatnonzero(areas.any(axis=1)), np.flatnonzero(areas.any(axis=0))
    if not len(rows):
        return _whole(image)
    margin = math.ceil(MARGIN * longest)
    top, left = max(0, int(rows[0]) - margin), max(0, int(columns[0]) - margin)
    bottom, right = min(height, int(rows[-1]) + 1 + margin), min(width, int(columns[-1]) + 1 + margin)
    if (bottom - top) * (right - left) < LEAST * height * width:
        return _whole(image)
    return Crop(height, width, top, left, bottom, right)


def _large_areas(image: NDArray[np.uint8], bridge: int) -> NDArray[np.bool_]:
    """Where the joined areas are that are large enough for a part of the picture, bool (H, W)."""
    shown = (image > BLACK).astype(np.uint8)
    joined = cv2.dilate(shown, np.ones((bridge, bridge), np.uint8))
    number, labels, figures, _ = cv2.connectedComponentsWithStats(joined, connectivity=8)
    is_large = figures[:, cv2.CC_STAT_AREA] >= PART * image.size
    is_large[0] = False
    if number == 1:
        return np.zeros(image.shape, np.bool_)
    return np.asarray(is_large[labels] & (shown > 0), np.bool_)


def _box(image: NDArray[np.uint8], preparation: Preparation) -> Crop:
    height, width = image.shape
    left, top, right, bottom = preparation.box
    if preparation.box_unit == "share":
        left, right, top, bottom = left * width, right * width, top * height, bottom * height
    top, left, bottom, right = (
        round(side, 6) for side in (top, left, bottom, right)
    )  # 0.55 * 100 is above 55
    sides = math.floor(top), math.floor(left), min(height, math.ceil(bottom)), min(width, math.ceil(right))
    if sides[0] >= sides[2] or sides[1] >= sides[3]:
        raise BadFrame(
            f"a frame of {width} x {height} px",
            f"one that reaches into the box {preparation.box} px",
            "give the box in shares, or keep frames of other sizes in a project of their own",
        )
    return Crop(height, width, *sides)


def _whole(image: NDArray[np.uint8]) -> Crop:
    height, width = image.shape
    return Crop(height, width, 0, 0, height, width)
