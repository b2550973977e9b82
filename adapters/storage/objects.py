"""Content in any store that fsspec speaks to (S3 and its like), with a local cache for programs that read
files.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import fsspec

from adapters.storage.layout import check_content, place_of
from adapters.storage.local import LocalStorage
from loop.errors import Denied, NotFound, Unavailable


class ObjectStorage:
    """Implements `loop.ports.Storage` on an fsspec address such as `s3://bucket/folder`.

    An object appears whole or not at all, by the promise of the store. `cache` keeps what was read, so that
    a model is fetched once and trainers find files.
    """

    def __init__(self, url: str, cache: LocalStorage) -> None:
        self._files, self._root = fsspec.core.url_to_fs(url)
        self._cache = cache

    def put(self, kind: str, digest: str, data: bytes) -> None:
        """Store whole or not at all; what is there already stays. Raises Denied, Unavailable."""
        path = self._path(kind, digest)
        with _mapped_errors(kind=kind, digest=digest):
            if not self._files.exists(path):
                self._files.makedirs(path.rpartition("/")[0], exist_ok=True)
                self._files.pipe_file(path, data)

    def get(self, kind: str, digest: str) -> bytes:
        """The stored bytes, checked against their digest. Raises NotFound, BadWeights, BadMask, Denied,
        Unavailable.
        """
        if self._cache.exists(kind, digest):
            return self._cache.get(kind, digest)
        with _mapped_errors(kind=kind, digest=digest):
            data = bytes(self._files.cat_file(self._path(kind, digest)))
        check_content(kind, digest, data)
        self._cache.put(kind, digest, data)
        return data

    def exists(self, kind: str, digest: str) -> bool:
        """Whether the content is in the store. Raises Denied, Unavailable."""
        with _mapped_errors(kind=kind, digest=digest):
            return bool(self._files.exists(self._path(kind, digest)))

    def local_path(self, kind: str, digest: str) -> Path:
        """A cached file with the content, fetched where needed. Raises what `get` raises."""
        self.get(kind, digest)
        return self._cache.local_path(kind, digest)

    def _path(self, kind: str, digest: str) -> str:
        return f"{self._root}/{place_of(kind, digest)}"


@contextmanager
def _mapped_errors(**ids: object) -> Iterator[None]:
    """Every store behind fsspec answers with a kind of OSError; a client's own errors are wrapped in one."""
    try:
        yield
    except FileNotFoundError as error:
        raise NotFound(
            "no such content in storage", "stored content", "restore it from a backup", **ids
        ) from error
    except PermissionError as error:
        raise Denied(
            "a store that refuses us", "keys that may read and write", "check the keys", **ids
        ) from error
    except OSError as error:
        raise Unavailable(
            "a store that does not answer", "a reachable one", "try again later", **ids
        ) from error
