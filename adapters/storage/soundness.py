"""Whether bytes that lie in a store are still what their name promises."""

from __future__ import annotations

from adapters.storage.images import decode_frame
from adapters.storage.layout import check_content
from loop.errors import BadFrame, BadMask, BadWeights
from loop.frames import frame_digest

PNG_END = b"IEND\xaeB`\x82"
"""Pillow reads on without it, browsers may not."""


def is_sound(kind: str, digest: str, data: bytes) -> bool:
    """Frames are compared by their pixels, since two encoders write other bytes for the same ones; embeddings
    are a cache without a digest of their bytes, and pass.
    """
    try:
        check_content(kind, digest, data)
        return kind != "frames" or (data.endswith(PNG_END) and frame_digest(decode_frame(data)) == digest)
    except (BadFrame, BadMask, BadWeights):
        return False
