"""Content on the local disk: written beside its place, synced, renamed: a crash leaves all of it or
nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

from adapters.disk import PART_PREFIX, mapped_disk_errors, write_whole
from adapters.storage.layout import TOP_FOLDERS, check_content, place_of
from adapters.storage.soundness import is_sound
from loop.errors import NotFound

LEFTOVER_SECONDS = 3600.0


class LocalStorage:
    """Implements `loop.ports.Storage` in one folder; many processes may share it: equal names, equal
    content.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, kind: str, digest: str, data: bytes) -> None:
        """Store whole or not at all; what is there already stays, unless its length shows it for damaged.
        Raises OutOfSpace, Denied, Unavailable.
        """
        path = self._path(kind, digest)
        with mapped_disk_errors(kind=kind, digest=digest):
            if path.exists() and not self._is_cut(path, kind, digest, len(data)):
                return
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, data)

    def get(self, kind: str, digest: str) -> bytes:
        """The stored bytes, checked against their digest. Raises NotFound, BadWeights, BadMask,
        Unavailable.
        """
        with mapped_disk_errors(kind=kind, digest=digest):
            data = self._path(kind, digest).read_bytes()
        check_content(kind, digest, data)
        return data

    def exists(self, kind: str, digest: str) -> bool:
        """Whether the content is there."""
        return self._path(kind, digest).is_file()

    def local_path(self, kind: str, digest: str) -> Path:
        """A file with the content, for programs that read files. Raises NotFound."""
        path = self._path(kind, digest)
        if not path.is_file():
            raise NotFound(
                "no such content", "stored content", "restore it from a backup", kind=kind, digest=digest
            )
        return path

    def remove(self, kind: str, digest: str) -> None:
        """Remove content that is kept elsewhere too; nothing there is fine. Raises Denied, Unavailable."""
        with mapped_disk_errors(kind=kind, digest=digest):
            self._path(kind, digest).unlink(missing_ok=True)

    def publish(self, _digests: Iterable[str]) -> int:
        """Nothing to bring: frames lie where Label Studio serves them from. Always 0."""
        return 0

    def remove_leftovers(self, older_than: float = LEFTOVER_SECONDS) -> int:
        """Remove what writes that were interrupted `older_than` seconds ago left; gives the number of
        files.
        """
        limit = time.time() - older_than
        with mapped_disk_errors():
            parts = [part for top in TOP_FOLDERS for part in (self.root / top).rglob(f"{PART_PREFIX}*")]
            leftovers = [part for part in parts if part.exists() and part.stat().st_mtime <= limit]
            for part in leftovers:
                part.unlink(missing_ok=True)
        return len(leftovers)

    @staticmethod
    def _is_cut(path: Path, kind: str, digest: str, length: int) -> bool:
        """Read only where the length differs: another encoder may have written the same pixels shorter."""
        return path.stat().st_size != length and not is_sound(kind, digest, path.read_bytes())

    def _path(self, kind: str, digest: str) -> Path:
        return self.root / place_of(kind, digest)
