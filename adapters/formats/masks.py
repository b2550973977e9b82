"""Masks as PNG files: an index map for training frameworks, and one plane per class where classes overlap."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from adapters.formats.pixels import DAMAGE, MAX_PIXELS, encode_png
from loop.errors import BadMask
from loop.masks import Mask, index_map


def encode_index_png(mask: Mask) -> tuple[bytes, int]:
    """Bool (C, H, W) to (8-bit grey PNG of 0..C, pixels where classes overlap: the first class wins)."""
    indices, overlaps = index_map(mask)
    return encode_png(indices), overlaps


def encode_plane_png(plane: NDArray[np.bool_]) -> bytes:
    """Bool (H, W) of one class to an 8-bit grey PNG of 0 and 255."""
    return encode_png(plane.astype(np.uint8) * 255)


def read_index_png(path: Path, classes: int) -> Mask:
    """Read an index map back to bool (C, H, W), overlaps resolved as they were written. Raises BadMask."""
    indices = _read_grey(path)
    if indices.max(initial=0) > classes:
        raise BadMask(f"a mask with value {indices.max()}", f"0..{classes}")
    return np.stack([indices == number for number in range(1, classes + 1)])


def read_plane_png(path: Path) -> NDArray[np.bool_]:
    """Read one class's plane back to bool (H, W). Raises BadMask."""
    return _read_grey(path) > 0


def _read_grey(path: Path) -> NDArray[np.uint8]:
    try:
        with Image.open(io.BytesIO(path.read_bytes()), formats=("PNG",)) as image:
            if image.width * image.height > MAX_PIXELS:
                raise BadMask(f"a mask of {image.width} x {image.height} px", f"at most {MAX_PIXELS} px")
            pixels = np.array(image)
    except (*DAMAGE, Image.DecompressionBombError) as error:
        raise BadMask("a damaged or missing mask", "an 8-bit grey PNG", "export it again") from error
    if pixels.dtype != np.uint8 or pixels.ndim != 2:
        raise BadMask("a mask that is no 8-bit grey", "an 8-bit grey PNG", "export it again")
    return pixels
