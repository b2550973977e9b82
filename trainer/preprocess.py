"""The one way from a frame to a network's input and from probabilities back, for training and serving.

A frame is 8-bit grey here, always: import turned it from colour into grey (`adapters.formats.pixels`), and
what is anything else is refused. A box is the square of `size` x `size` px that a frame is scaled into
(longest side to `size`), padded with zeros at the bottom and on the right; `loop.masks.Letterbox` holds its
exact geometry. What a `Preparation` adds is said by a frame's `View`: crop, picture, tiles.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from loop.errors import BadFrame
from loop.masks import Crop, Letterbox
from trainer.borders import find_crop
from trainer.preparation import PLAIN, Preparation
from trainer.tiles import Grid, lay_grid

MEAN, STD = 0.5, 0.25
"""Of grey scaled to 0..1: fixed, so that no data set's statistics travel with a model."""


@dataclass(frozen=True)
class View:
    """How one frame is looked at: the part of it, and the tiles on that part's picture, which is
    (grid.height, grid.width) px. A frame in a box is a picture of one tile.
    """

    crop: Crop
    grid: Grid


def look(image: NDArray[np.uint8], size: int, preparation: Preparation = PLAIN) -> View:
    """Decide how a frame uint8 (H, W) is looked at by a network of `size` px. Raises BadFrame for another
    array, or for a frame too small for its crop.
    """
    _check_grey(image)
    crop = find_crop(image, preparation)
    height, width = crop.shape
    longest = preparation.tile_frame if preparation.tiles else size
    if longest:
        box = Letterbox(height, width, longest)
        height, width = box.new_height, box.new_width
    return View(crop, lay_grid(height, width, size, preparation.tile_overlap))


def prepare(image: NDArray[np.uint8], view: View, preparation: Preparation = PLAIN) -> NDArray[np.uint8]:
    """Grey uint8 (H, W) to the view's picture: cropped, its contrast evened, scaled (area averaging down,
    bilinear up).
    """
    part = np.ascontiguousarray(view.crop.cut(image))
    if preparation.clahe_clip:
        part = even_contrast(part, preparation.clahe_clip, preparation.clahe_grid)
    return _scaled(part, view.grid)


def prepare_indices(indices: NDArray[np.uint8], view: View) -> NDArray[np.uint8]:
    """Class indices uint8 (H, W) to the view's picture, by the nearest pixel."""
    shape = (view.grid.width, view.grid.height)
    part = np.ascontiguousarray(view.crop.cut(indices))
    return np.asarray(cv2.resize(part, shape, interpolation=cv2.INTER_NEAREST_EXACT), np.uint8)


def even_contrast(image: NDArray[np.uint8], clip: float, grid: int) -> NDArray[np.uint8]:
    """CLAHE (Zuiderveld, Graphics Gems IV, 1994) of uint8 (H, W): histograms of grid x grid fields, evened,
    no grey counted more than `clip` times its even share, the curves blended between the fields.
    """
    return np.asarray(cv2.createCLAHE(clip, (grid, grid)).apply(image), np.uint8)


def view_to_frame(probs: NDArray[np.float32], view: View) -> NDArray[np.float32]:
    """Probabilities float32 (C, h, w) of a view's picture at the frame's own size, (C, H, W): bilinear, 0
    outside the crop.
    """
    return view.crop.put_back(_resized(probs, *view.crop.shape))


def letterbox(image: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Grey uint8 (H, W) into its box, uint8 (size, size): area averaging down, bilinear up."""
    view = look(image, size)
    return padded(prepare(image, view), size)


def normalise(boxed: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Grey uint8 (S, S) to float32 (1, S, S), (x / 255 - 0.5) / 0.25, so -2 is black and 2 white."""
    grey = boxed.astype(np.float32) / np.float32(255)
    return ((grey - np.float32(MEAN)) / np.float32(STD))[np.newaxis]


def image_to_tensor(image: NDArray[np.uint8], size: int) -> NDArray[np.float32]:
    """Grey uint8 (H, W) to a network's input, float32 (1, size, size)."""
    return normalise(letterbox(image, size))


def mask_to_box(index_map: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Class indices uint8 (H, W) into the box, uint8 (size, size), by the nearest pixel; the padding is 0."""
    return padded(prepare_indices(index_map, look(index_map, size)), size)


def inside(boxed: NDArray[np.float32], box: Letterbox) -> NDArray[np.float32]:
    """Cut (..., size, size) down to what shows the frame, (..., new_height, new_width): the padding goes."""
    return boxed[..., : box.new_height, : box.new_width]


def probs_to_frame(probs: NDArray[np.float32], box: Letterbox) -> NDArray[np.float32]:
    """Probabilities float32 (C, size, size) to the frame's own size, (C, height, width), bilinear.

    Probabilities are resized, not masks: a mask thresholded first and grown after is wrong by whole pixels.
    """
    return _resized(inside(probs, box), box.height, box.width)


def padded(picture: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Uint8 (h, w) with zeros at the bottom and on the right, so that no side is shorter than `size`."""
    sides = max(picture.shape[0], size), max(picture.shape[1], size)
    boxed = np.zeros(sides, np.uint8)
    boxed[: picture.shape[0], : picture.shape[1]] = picture
    return boxed


def _check_grey(image: NDArray[Any]) -> None:
    if image.ndim != 2 or image.dtype != np.uint8 or not image.size:
        got = f"an array of {image.dtype} {image.shape}"
        need, todo = (
            "8-bit grey, uint8 (H, W), not empty",
            "add it with `./sonoloop add`, which makes it grey",
        )
        raise BadFrame(got, need, todo)


def _scaled(image: NDArray[np.uint8], grid: Grid) -> NDArray[np.uint8]:
    is_smaller = max(grid.height, grid.width) < max(image.shape)
    interpolation = cv2.INTER_AREA if is_smaller else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (grid.width, grid.height), interpolation=interpolation), np.uint8)


def _resized(probs: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    frame = [
        cv2.resize(channel, (width, height), interpolation=cv2.INTER_LINEAR)
        for channel in np.ascontiguousarray(probs, dtype=np.float32)
    ]
    return np.stack(frame).astype(np.float32, copy=False)
