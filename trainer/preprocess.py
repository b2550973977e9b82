"""The one way from a frame to a network's input and from probabilities back, for training and serving.

A box is the square of `size` x `size` px that a frame is scaled into (longest side to `size`), padded with
zeros at the bottom and on the right; `loop.masks.Letterbox` holds its exact geometry.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from loop.errors import BadFrame
from loop.masks import Letterbox

MEAN, STD = 0.5, 0.25
"""Of grey scaled to 0..1: fixed, so that no data set's statistics travel with a model."""


def frame_box(image: NDArray[np.uint8], size: int) -> Letterbox:
    """Give the geometry of a frame in its box. Raises BadFrame for anything but uint8 (H, W) with pixels."""
    if image.ndim != 2 or image.dtype != np.uint8 or not image.size:
        raise BadFrame(f"an array of {image.dtype} {image.shape}", "uint8 (H, W), not empty")
    return Letterbox(image.shape[0], image.shape[1], size)


def letterbox(image: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Grey uint8 (H, W) into its box, uint8 (size, size): area averaging down, bilinear up."""
    box = frame_box(image, size)
    interpolation = cv2.INTER_AREA if box.scale < 1 else cv2.INTER_LINEAR
    return _padded(cv2.resize(image, (box.new_width, box.new_height), interpolation=interpolation), size)


def normalise(boxed: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Grey uint8 (S, S) to float32 (1, S, S), (x / 255 - 0.5) / 0.25, so -2 is black and 2 white."""
    grey = boxed.astype(np.float32) / np.float32(255)
    return ((grey - np.float32(MEAN)) / np.float32(STD))[np.newaxis]


def image_to_tensor(image: NDArray[np.uint8], size: int) -> NDArray[np.float32]:
    """Grey uint8 (H, W) to a network's input, float32 (1, size, size)."""
    return normalise(letterbox(image, size))


def mask_to_box(index_map: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Class indices uint8 (H, W) into the box, uint8 (size, size), by the nearest pixel; the padding is 0."""
    box = frame_box(index_map, size)
    shape = (box.new_width, box.new_height)
    return _padded(cv2.resize(index_map, shape, interpolation=cv2.INTER_NEAREST_EXACT), size)


def inside(boxed: NDArray[np.float32], box: Letterbox) -> NDArray[np.float32]:
    """Cut (..., size, size) down to what shows the frame, (..., new_height, new_width): the padding goes."""
    return boxed[..., : box.new_height, : box.new_width]


def probs_to_frame(probs: NDArray[np.float32], box: Letterbox) -> NDArray[np.float32]:
    """Probabilities float32 (C, size, size) to the frame's own size, (C, height, width), bilinear.

    Probabilities are resized, not masks: a mask thresholded first and grown after is wrong by whole pixels.
    """
    frame = [
        cv2.resize(channel, (box.width, box.height), interpolation=cv2.INTER_LINEAR)
        for channel in np.ascontiguousarray(inside(probs, box), dtype=np.float32)
    ]
    return np.stack(frame).astype(np.float32, copy=False)


def _padded(image: NDArray[Any], size: int) -> NDArray[np.uint8]:
    boxed = np.zeros((size, size), np.uint8)
    boxed[: image.shape[0], : image.shape[1]] = image
    return boxed
