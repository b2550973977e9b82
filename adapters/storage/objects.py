"""Content in any store that fsspec speaks to (S3 and its like), with a local copy for programs that read
files.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

from adapters.storage.layout import check_content, place_of
from adapters.storage.local import LocalStorage
from adapters.storage.soundness import is_sound
from adapters.storage.store_errors import is_without_bucket, mapped_store_errors
from loop.errors import BadMask, BadWeights, NotFound

PUBLISHED = "frames"
"""Kept as files too, whatever the store: Label Studio serves frames from a folder."""

ATTEMPTS = 2
"""A store that does not answer is given up soon: callers hold leases, and are called again."""


class ObjectStorage:
    """Implements `loop.ports.Storage` on an fsspec address such as `s3://bucket/folder`.

    An object appears whole or not at all, by the promise of the store. `copies` keeps what was read, so that
    a model is fetched once and trainers find files; a copy that is damaged is fetched again. Every frame lies
    there from the moment it is put.
    """

    def __init__(self, url: str, copies: LocalStorage) -> None:
        self.url = url
        self._files, self._root = _open(url)
        self._copies = copies

    def put(self, kind: str, digest: str, data: bytes) -> None:
        """Store whole or not at all; what is there already stays, unless its length shows it for damaged.
        Raises OutOfSpace, Denied, Unavailable.
        """
        path = self._path(kind, digest)
        with mapped_store_errors(kind=kind, digest=digest):
            length = self._length(path)
            if length != len(data) and not (length is not None and self._is_whole(kind, digest)):
                self._files.pipe_file(path, data)
        if kind == PUBLISHED:
            self._copies.put(kind, digest, data)

    def get(self, kind: str, digest: str) -> bytes:
        """The stored bytes, checked against their digest. Raises NotFound, BadWeights, BadMask, OutOfSpace,
        Denied, Unavailable.
        """
        if self._copies.exists(kind, digest):
            with suppress(BadWeights, BadMask):
                return self._copies.get(kind, digest)
            self._copies.remove(kind, digest)
        with mapped_store_errors(kind=kind, digest=digest):
            data = bytes(self._files.cat_file(self._path(kind, digest)))
        check_content(kind, digest, data)
        self._copies.put(kind, digest, data)
        return data

    def heal(self, kind: str, digest: str, data: bytes) -> bool:
        """Store `data` where nothing is, or what is there is damaged, which is read for it; whether it was
        damaged. Raises OutOfSpace, Denied, Unavailable.
        """
        path = self._path(kind, digest)
        with mapped_store_errors(kind=kind, digest=digest):
            is_there = self._length(path) is not None
            if is_there and self._is_whole(kind, digest):
                return False
            self._files.pipe_file(path, data)
        return is_there

    def exists(self, kind: str, digest: str) -> bool:
        """Whether the content is in the store. Raises Denied, Unavailable (without the bucket, too)."""
        with mapped_store_errors(kind=kind, digest=digest):
            return self._length(self._path(kind, digest)) is not None

    def local_path(self, kind: str, digest: str) -> Path:
        """A copied file with the content, fetched where needed. Raises what `get` raises."""
        self.get(kind, digest)
        return self._copies.local_path(kind, digest)

    def publish(self, digests: Iterable[str]) -> int:
        """Bring back the files of frames that lie in the store alone, so that Label Studio can serve them;
        gives their number. One that is nowhere is passed over. Raises OutOfSpace, Denied, Unavailable.
        """
        brought = 0
        for digest in digests:
            if not self._copies.exists(PUBLISHED, digest):
                with suppress(NotFound):
                    self.get(PUBLISHED, digest)
                    brought += 1
        return brought

    def remove_leftovers(self) -> int:
        """Remove what interrupted writes of copies left; gives the number of files. The store keeps none."""
        return self._copies.remove_leftovers()

    def _is_whole(self, kind: str, digest: str) -> bool:
        """Whether the store itself, whatever the copies, holds what the digest says."""
        return is_sound(kind, digest, bytes(self._files.cat_file(self._path(kind, digest))))

    def _length(self, path: str) -> int | None:
        """Bytes; None for nothing there. Unlike fsspec's `exists`, which takes a bucket that is gone for
        content that is not there.
        """
        try:
            return int(self._files.info(path)["size"])
        except FileNotFoundError as error:
            if is_without_bucket(error):
                raise
            return None

    def _path(self, kind: str, digest: str) -> str:
        return f"{self._root}/{place_of(kind, digest)}"


def _open(url: str) -> tuple[Any, str]:
    """The store behind the address, and the place in it.

    Folders are made where files need them; a bucket never is: a wrong name must be an error.
    """
    is_s3 = url.startswith(("s3://", "s3a://"))
    options = (
        {"config_kwargs": {"retries": {"mode": "standard", "total_max_attempts": ATTEMPTS}}} if is_s3 else {}
    )
    files, root = fsspec.core.url_to_fs(url, skip_instance_cache=True, use_listings_cache=False, **options)
    if is_s3:
        files.retries = 1  # on top of those of the client
    elif isinstance(files, LocalFileSystem):
        files.auto_mkdir = True
    return files, root
