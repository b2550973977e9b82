"""Label Studio's code of one brush region: Label Studio's own codec, guarded, and the blobs of a mask."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from loop.errors import BadAnnotation, BadMask
from loop.masks import Mask

HEADER_BYTES = 7  # 32 bits of length, 5 of word size, four times 4 of run sizes, padded
VALUES_PER_PIXEL = 4  # red, green, blue, alpha
DENSEST_VALUE_BITS = 14  # a run of one: flag, size index, length, value
SOFT_EDGE = 127  # the browser's strokes have soft edges: half covered counts as drawn


class SdkBrushCodec:
    """Implements `loop.ports.BrushCodec` with the codec of `label_studio_sdk`, which takes 2 s to import: the
    first use pays, unless `warm_up` was called before.
    """

    def warm_up(self) -> None:
        """Import what encoding and decoding need."""
        _sdk()

    def encode(self, mask: Mask) -> list[int]:
        """Bool (H, W) to the list of integers Label Studio shows. Raises BadMask for anything else."""
        if mask.dtype != np.bool_ or mask.ndim != 2 or not mask.size:
            raise BadMask(f"an array of {mask.dtype} {mask.shape}", "a bool array (H, W)")
        return [int(byte) for byte in _sdk().mask2rle(mask.astype(np.uint8) * np.uint8(255))]

    def decode(self, rle: Sequence[int], height: int, width: int) -> Mask:
        """Back to bool (H, W), alpha > 127. Raises BadAnnotation (length, size, values)."""
        values = height * width * VALUES_PER_PIXEL
        _check(rle, values)
        pixels = _decode(rle)
        # The library reads a value that the end of the list cuts short as if it were whole.
        if 0 < pixels[-1] < 255 and not np.array_equal(pixels, _decode([*rle, 255, 255])):
            raise BadAnnotation("a run-length code that ends too early", "a whole one")
        return np.asarray(pixels.reshape(height, width, VALUES_PER_PIXEL)[:, :, 3] > SOFT_EDGE)

    def components(self, mask: Mask) -> list[Mask]:
        """The 8-connected blobs of a bool (H, W), largest first; their OR is the mask. Empty gives []."""
        import cv2

        count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
        areas = stats[1:count, cv2.CC_STAT_AREA]
        return [labels == 1 + index for index in np.argsort(-areas, kind="stable")]


@cache
def _sdk() -> ModuleType:
    from label_studio_sdk.converter import brush

    return brush


def _check(rle: Sequence[int], values: int) -> None:
    """Before anything is decoded: a forged header would make the library reserve gigabytes."""
    longest = HEADER_BYTES + values * DENSEST_VALUE_BITS // 8 + 2
    if not HEADER_BYTES < len(rle) <= longest:
        raise BadAnnotation(f"a run-length code of {len(rle)} bytes", f"{HEADER_BYTES + 1} to {longest}")
    if not all(type(byte) is int and 0 <= byte <= 255 for byte in rle):
        raise BadAnnotation("a run-length code with something else than bytes", "integers from 0 to 255")
    declared = int.from_bytes(bytes(rle[:4]), "big")
    if declared != values:
        raise BadAnnotation(
            f"a run-length code for {declared} values", f"{values}: height x width x {VALUES_PER_PIXEL}"
        )


def _decode(rle: Sequence[int]) -> NDArray[np.uint8]:
    try:
        pixels: NDArray[np.uint8] = _sdk().decode_rle(rle)
    except (ValueError, IndexError, OverflowError) as exc:  # out of bits; past the end; a value over a byte
        raise BadAnnotation("a run-length code that cannot be read", "a whole one", "draw it again") from exc
    return pixels
