"""Where each kind of content lies, and whether bytes are what their digest says."""

from __future__ import annotations

import hashlib
import re
from pathlib import PurePosixPath

from loop.errors import BadMask, BadRequest, BadWeights
from loop.masks import mask_digest, unpack

# Frames lie in one flat folder, because Label Studio serves them as `?d=all/<digest>.png`.
_PATTERNS = {
    "frames": "frames/all/{digest}.png",
    "masks": "masks/{prefix}/{digest}.slm",
    "models": "models/{digest}.safetensors",
    "embeddings": "embeddings/{prefix}/{digest}.bin",
}
TOP_FOLDERS = tuple(sorted({pattern.partition("/")[0] for pattern in _PATTERNS.values()}))

_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)


def place_of(kind: str, digest: str) -> PurePosixPath:
    """The path of a piece of content under the root. Raises BadRequest for an unknown kind or what is no
    SHA-256 hex.
    """
    pattern = _PATTERNS.get(kind)
    if pattern is None:
        raise BadRequest("an unknown kind of content", f"one of {', '.join(_PATTERNS)}")
    if not _DIGEST.fullmatch(digest):
        raise BadRequest("a name of content that is no digest", "64 lower-case hex digits")
    return PurePosixPath(pattern.format(digest=digest, prefix=digest[:2]))


def check_content(kind: str, digest: str, data: bytes) -> None:
    """Refuse damaged content: a model is named by its bytes, a mask by its pixels; frames are checked by the
    reader of images. Raises BadWeights or BadMask.
    """
    todo = "take it from a backup, or remove it and make it again"
    if kind == "models" and hashlib.sha256(data).hexdigest() != digest:
        raise BadWeights("changed bytes of stored weights", "those of the digest", todo, digest=digest)
    if kind == "masks" and _mask_digest_of(data) != digest:
        raise BadMask("a damaged stored mask", "the pixels of the digest", todo, digest=digest)


def _mask_digest_of(data: bytes) -> str | None:
    """The digest of a packed mask; None for bytes that hold none."""
    try:
        return mask_digest(unpack(data))
    except BadMask:
        return None
