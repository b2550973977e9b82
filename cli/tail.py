"""The end of a growing file, read through its rotations."""

from __future__ import annotations

import os
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO


class Tail:
    """A log that somebody else writes and rotates: nothing is passed over, no half line is given."""

    def __init__(self, path: Path) -> None:
        """The file may not exist yet."""
        self._path = path
        self._file: BinaryIO | None = None
        self._rest = b""

    def last(self, count: int) -> list[str]:
        """The last lines of what is there now; call it first."""
        return list(deque(self.fresh(), maxlen=count))

    def fresh(self) -> list[str]:
        """Whole lines that were written since the last call, those of a rotated file before the new one's."""
        lines = self._read()
        if self._is_replaced():
            lines += self._read()  # what came between the two looks
            self._open()
            lines += self._read()
        return lines

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()
        self._file = None

    def _read(self) -> list[str]:
        if self._file is None:
            return []
        if os.fstat(self._file.fileno()).st_size < self._file.tell():  # emptied in place
            self._file.seek(0)
        *whole, self._rest = (self._rest + self._file.read()).split(b"\n")
        return [line.decode(errors="replace") for line in whole]

    def _is_replaced(self) -> bool:
        try:
            now = self._path.stat()
        except FileNotFoundError:
            return False
        return self._file is None or os.fstat(self._file.fileno()).st_ino != now.st_ino

    def _open(self) -> None:
        self.close()
        with suppress(FileNotFoundError):  # between the two steps of a rotation
            self._file = self._path.open("rb")
