"""`sonoloop logs`: the ends of the services' logs, one after the other or followed."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from rich.markup import escape

from adapters.services.control import log_path
from adapters.services.programs import service_names
from cli.home import find_home
from cli.shell import console, say

LOOK_SECONDS = 0.5


class Tail:
    """A growing log file, read through its rotations: nothing is passed over, no half line is given."""

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


def show_logs(home: Path | None, service: str, lines: int, follow: bool) -> None:
    """Print the last lines of one service's log, or of all; with `follow`, the new ones until Ctrl-C.

    Raises NotFound for an unknown service or a folder without a home.
    """
    settings = find_home(home)
    names = [service] if service else service_names(settings)
    tails = {name: Tail(log_path(settings, name)) for name in names}
    for name, tail in tails.items():
        last = tail.last(lines)
        _print(name, last or ["nothing logged yet"], len(tails) > 1)
    if follow:
        with suppress(KeyboardInterrupt):
            _follow(tails)


def _follow(tails: Mapping[str, Tail]) -> None:
    while True:
        time.sleep(LOOK_SECONDS)
        for name, tail in tails.items():
            _print(name, tail.fresh(), len(tails) > 1)


def _print(name: str, lines: Sequence[str], has_name: bool) -> None:
    for line in lines:
        say(console, (f"[cyan]{name:<14}[/] " if has_name else "") + escape(line))
