"""Stored content that was damaged is replaced when it comes again, and sound content is never."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from adapters.formats.pixels import encode_png
from adapters.storage import LocalStorage, ObjectStorage
from adapters.storage.layout import place_of
from loop.frames import frame_digest
from tests.contract.test_storage import AnyStorage, storage, stored_mask

__all__ = ["storage"]


def sound(kind: str) -> tuple[str, bytes]:
    """Content of that kind under its own digest."""
    image = np.random.default_rng(4).integers(0, 255, (12, 16), dtype=np.uint8)
    weights = bytes(range(64))
    made = {
        "frames": (frame_digest(image), encode_png(image)),
        "masks": stored_mask(),
        "models": (hashlib.sha256(weights).hexdigest(), weights),
    }
    return made[kind]


def kept_in(storage: AnyStorage, tmp_path: Path, kind: str, digest: str) -> list[Path]:
    """Each file in which the content lies, the store's and the copy; none for stores without files."""
    place = str(place_of(kind, digest))
    return [path for path in tmp_path.rglob(Path(place).name) if str(path).endswith(place)]


@pytest.mark.parametrize("kind", ["frames", "masks", "models"])
def test_what_was_cut_short_is_healed_by_the_next_put(storage: AnyStorage, tmp_path: Path, kind: str) -> None:
    digest, data = sound(kind)
    storage.put(kind, digest, data)
    files = kept_in(storage, tmp_path, kind, digest)
    for path in files:
        path.write_bytes(data[:-9])
    storage.put(kind, digest, data)
    assert all(path.read_bytes() == data for path in files)
    assert storage.get(kind, digest) == data


def test_the_same_pixels_in_other_bytes_stay(storage: AnyStorage) -> None:
    digest, data = sound("frames")
    with Image.open(io.BytesIO(data)) as image, io.BytesIO() as stream:
        note = PngInfo()
        note.add_text("by", "another encoder")
        image.save(stream, "PNG", pnginfo=note)
        longer = stream.getvalue()
    assert len(longer) != len(data)
    storage.put("frames", digest, data)
    storage.put("frames", digest, longer)
    assert storage.get("frames", digest) == data


@pytest.mark.parametrize("kind", ["frames", "masks", "models"])
def test_a_store_that_is_healed_loses_a_changed_byte_too(tmp_path: Path, kind: str) -> None:
    digest, data = sound(kind)
    store = ObjectStorage(f"file://{tmp_path / 'remote'}", LocalStorage(tmp_path / "copies"))
    assert not store.heal(kind, digest, data)
    path = tmp_path / "remote" / place_of(kind, digest)
    assert path.read_bytes() == data
    assert not store.heal(kind, digest, data)
    path.write_bytes(data[:-20] + bytes([data[-20] ^ 1]) + data[-19:])
    assert store.heal(kind, digest, data)
    assert path.read_bytes() == data
