"""Choose the storage that the settings name."""

from __future__ import annotations

from pathlib import Path

from adapters.storage.local import LocalStorage
from adapters.storage.objects import ObjectStorage


def open_storage(root: Path, url: str = "") -> LocalStorage | ObjectStorage:
    """The storage at an fsspec address such as `s3://bucket/folder`; no address: the home itself.

    The home keeps copies in the same places, so that frames lie in Label Studio's document root either way.
    """
    home = LocalStorage(root)
    return ObjectStorage(url, home) if url else home
