"""Pixels of stored frames."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from loop.errors import BadFrame
from loop.frames import frame_digest
from loop.ports import Storage
from loop.records import Frame


class StoredImages:
    """Implements `loop.ports.Images` over a storage."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def read(self, frame: Frame) -> NDArray[np.uint8]:
        """Read uint8 (H, W), checked against the frame's digest. Raises NotFound, BadFrame (damaged or
        changed).
        """
        size = (frame.width, frame.height)
        image = decode_frame(self._storage.get("frames", frame.digest), size, frame=frame.id)
        if frame_digest(image) != frame.digest:
            got = "a stored frame whose pixels have changed"
            raise BadFrame(got, "the pixels of its digest", "import it again", frame=frame.id)
        return image


def decode_frame(data: bytes, size: tuple[int, int] | None = None, **ids: object) -> NDArray[np.uint8]:
    """The uint8 (H, W) pixels of a stored PNG, of `size` (W, H) where that is known. Raises BadFrame."""
    try:
        with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
            if size is not None and image.size != size:  # said by its head, before it is unpacked
                raise ValueError("another size")
            pixels = np.array(image)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise BadFrame("a damaged stored frame", "a whole one", "import it again", **ids) from error
    if pixels.dtype != np.uint8 or pixels.ndim != 2:
        raise BadFrame("a stored frame that is no 8-bit grey", "8-bit grey", "import it again", **ids)
    return pixels
