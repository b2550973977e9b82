"""Masks: checks, the stored form and its digest, overlaps, and the exact transforms of crop and letterbox.

A mask is bool (C, H, W): one plane per class of the project, in the order of its class list, the regions of
one label OR-ed.
"""

from __future__ import annotations

import hashlib
import math
import struct
import zlib
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from loop.errors import BadMask

MAGIC = b"SLM1"
HEADER = struct.Struct("<4s3I")
MAX_CLASSES = 255
MAX_PIXELS = 1 << 31

Mask = NDArray[np.bool_]
Value = TypeVar("Value", bound=np.generic)


def check_mask(mask: NDArray[np.generic], classes: int, height: int, width: int) -> Mask:
    """Return `mask` when it is bool (classes, height, width). Raises BadMask for any other dtype or shape."""
    if mask.dtype != np.bool_:
        raise BadMask(f"a mask of dtype {mask.dtype}", "bool")
    if mask.shape != (classes, height, width):
        raise BadMask(f"a mask of shape {mask.shape}", f"(C, H, W) = {(classes, height, width)}")
    return mask.view(np.bool_)


def pack(mask: Mask) -> bytes:
    """Bool (C, H, W) to the bytes that storage keeps.

    They are a magic word, C, H and W as little-endian uint32, and zlib of the packed bits. Raises BadMask for
    another dtype or number of axes.
    """
    _check_axes(mask)
    return HEADER.pack(MAGIC, *mask.shape) + zlib.compress(np.packbits(mask).tobytes(), 6)


def unpack(data: bytes) -> Mask:
    """Bytes of `pack` back to bool (C, H, W). Raises BadMask for foreign, truncated or oversized bytes."""
    if len(data) < HEADER.size or not data.startswith(MAGIC):
        raise BadMask(f"{len(data)} bytes without the mark of a stored mask", "bytes made by `pack`")
    _, classes, height, width = HEADER.unpack_from(data)
    pixels = classes * height * width
    if pixels > MAX_PIXELS:
        raise BadMask(f"a stored mask of {pixels} pixels", f"at most {MAX_PIXELS}")
    bits = np.frombuffer(_inflate(data[HEADER.size :], (pixels + 7) // 8), dtype=np.uint8)
    return np.unpackbits(bits, count=pixels).astype(np.bool_).reshape(classes, height, width)


def mask_digest(mask: Mask) -> str:
    """SHA-256 hex over shape and bits of bool (C, H, W), independent of compression: equal masks, equal
    digests.
    """
    _check_axes(mask)
    return hashlib.sha256(HEADER.pack(MAGIC, *mask.shape) + np.packbits(mask).tobytes()).hexdigest()


def dice(a: Mask, b: Mask) -> float | None:
    """Dice of two bool arrays of one shape, all pixels pooled: 2|A & B| / (|A| + |B|); None when both are
    empty.

    Raises BadMask when the shapes differ.
    """
    if a.shape != b.shape:
        raise BadMask(f"masks of shapes {a.shape} and {b.shape}", "one shape")
    total = int(np.count_nonzero(a)) + int(np.count_nonzero(b))
    return 2.0 * int(np.count_nonzero(a & b)) / total if total else None


def union(mask: Mask) -> Mask:
    """Bool (C, H, W) to bool (H, W): where any class is."""
    return np.asarray(mask.any(axis=0), dtype=np.bool_)


def index_map(mask: Mask) -> tuple[NDArray[np.uint8], int]:
    """Bool (C, H, W) to (uint8 (H, W), overlap count): 0 is background, i + 1 class i.

    Where classes overlap the first of the class list wins; the count says on how many pixels that happened.
    Raises BadMask for more than 255 classes.
    """
    _check_axes(mask)
    if len(mask) > MAX_CLASSES:
        raise BadMask(f"{len(mask)} classes", f"at most {MAX_CLASSES}")
    if not len(mask):
        return np.zeros(mask.shape[1:], np.uint8), 0
    first = mask.argmax(axis=0) + 1
    overlaps = int(np.count_nonzero(mask.sum(axis=0) > 1))
    return np.where(union(mask), first, 0).astype(np.uint8), overlaps


def exclusive(mask: Mask) -> tuple[Mask, int]:
    """Bool (C, H, W) to the same with at most one class a pixel, and on how many pixels there were several.

    The first of the class list wins, as in `index_map`: what `probs_to_mask` can say, and no more.
    """
    indices, overlaps = index_map(mask)
    if not overlaps:
        return mask, 0
    return np.stack([indices == number for number in range(1, len(mask) + 1)]), overlaps


def probs_to_mask(probs: NDArray[np.float32], threshold: float = 0.5) -> Mask:
    """Probabilities float (C, H, W) to bool (C, H, W): p > threshold, and of several classes only the
    likeliest.

    Raises BadMask for another number of axes or values outside 0..1 (NaN included).
    """
    if probs.ndim != 3:
        raise BadMask(f"probabilities of shape {probs.shape}", "(C, H, W)")
    if probs.size and not (probs.min() >= 0.0 and probs.max() <= 1.0):
        raise BadMask("probabilities outside 0..1 or not finite", "values in 0..1")
    above = probs > threshold
    if len(probs) < 2:
        return above
    planes = np.arange(len(probs)).reshape(-1, 1, 1)
    return np.asarray(above & (probs.argmax(axis=0) == planes), dtype=np.bool_)


@dataclass(frozen=True)
class Letterbox:
    """A frame of (height, width) px in a square of `size` px: longest side to `size`, padded at the bottom
    and right. Raises BadMask for a side below one pixel.
    """

    height: int
    width: int
    size: int

    def __post_init__(self) -> None:
        if min(self.height, self.width, self.size) < 1:
            raise BadMask(
                f"a letterbox of {self.height} x {self.width} in {self.size} px", "sides of at least 1 px"
            )

    @property
    def scale(self) -> float:
        """Box pixels per frame pixel, before the sides are rounded to whole pixels."""
        return self.size / max(self.height, self.width)

    @property
    def new_height(self) -> int:
        """Height of the frame inside the box, px."""
        return _whole(self.height * self.scale, self.size)

    @property
    def new_width(self) -> int:
        """Width of the frame inside the box, px."""
        return _whole(self.width * self.scale, self.size)


@dataclass(frozen=True)
class Crop:
    """The part of a frame of (height, width) px that is looked at: rows top to bottom and columns left to
    right, the ends excluded. Raises BadMask for a part that is empty or not within the frame.
    """

    height: int
    width: int
    top: int
    left: int
    bottom: int
    right: int

    def __post_init__(self) -> None:
        if not (0 <= self.top < self.bottom <= self.height and 0 <= self.left < self.right <= self.width):
            got = f"rows {self.top} to {self.bottom}, columns {self.left} to {self.right}"
            raise BadMask(got, f"a part of a frame of {self.height} x {self.width} px")

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the part, px."""
        return self.bottom - self.top, self.right - self.left

    def cut(self, frame: NDArray[Value]) -> NDArray[Value]:
        """The part of an array (..., height, width), as a view of it."""
        return frame[..., self.top : self.bottom, self.left : self.right]

    def put_back(self, part: NDArray[Value]) -> NDArray[Value]:
        """An array (..., *shape) where it was cut from, (..., height, width); 0 outside. Raises BadMask."""
        if part.shape[-2:] != self.shape:
            raise BadMask(f"a part of {part.shape[-2:]} px", f"one of {self.shape}")
        if self.shape == (self.height, self.width):
            return part
        frame = np.zeros((*part.shape[:-2], self.height, self.width), part.dtype)
        self.cut(frame)[:] = part
        return frame


def _whole(length: float, size: int) -> int:
    return min(size, max(1, math.floor(length + 0.5)))


def _check_axes(mask: Mask) -> None:
    if mask.dtype != np.bool_ or mask.ndim != 3:
        raise BadMask(f"a mask of dtype {mask.dtype} and shape {mask.shape}", "bool (C, H, W)")


def _inflate(data: bytes, size: int) -> bytes:
    """Exactly `size` bytes; a longer or shorter stream is refused without being read to its end."""
    stream = zlib.decompressobj()
    try:
        content = stream.decompress(data, size + 1) if size else stream.decompress(data, 1)
    except zlib.error as error:
        raise BadMask("a stored mask whose bits cannot be read", "bytes made by `pack`") from error
    if len(content) != size or not _is_at_end(stream):
        raise BadMask(f"a stored mask of {len(content)} bytes of bits", f"{size} bytes")
    return content


def _is_at_end(stream: zlib._Decompress) -> bool:
    return (stream.eof or stream.decompress(b"", 1) == b"") and stream.eof and not stream.unused_data
