"""Choose the storage that the settings name."""

from __future__ import annotations

from pathlib import Path

from adapters.storage.local import LocalStorage
from adapters.storage.objects import ObjectStorage


def open_storage(root: Path, url: str = "") -> LocalStorage | ObjectStorage:
    """The storage at an fsspec address such as `s3://bucket/folder`, cached in the home; no address: the
    home itself.
    """
    return ObjectStorage(url, LocalStorage(root / "cache")) if url else LocalStorage(root)
