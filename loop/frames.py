"""What identifies a frame: its pixels, never its file."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray


def frame_digest(image: NDArray[np.uint8]) -> str:
    """SHA-256 hex of a uint8 (H, W) image, its shape included, so that 2 x 8 and 4 x 4 px differ."""
    height, width = image.shape
    header = f"frame {height} {width} ".encode()
    return hashlib.sha256(header + np.ascontiguousarray(image).tobytes()).hexdigest()
