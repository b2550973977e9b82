"""A control group with as little memory as a test wants: the kernel really ends what asks for more."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

GROUPS = Path("/sys/fs/cgroup")
MARGIN = 1 << 20


class MemoryGroup:
    """A group of its own, of the version that this machine has. Raises OSError where none may be made."""

    def __init__(self) -> None:
        self._is_first = (GROUPS / "memory").is_dir()
        self._folder = (GROUPS / "memory" if self._is_first else GROUPS) / f"sonoloop-drill-{os.getpid()}"
        self._folder.mkdir()
        try:
            self.let_have_all()
            if self._is_first:
                self._write("memory.swappiness", "0")
            elif (self._folder / "memory.swap.max").exists():
                self._write("memory.swap.max", "0")
        except OSError:
            self._folder.rmdir()
            raise

    def add(self, pid: int) -> None:
        """Move a process here; the children that it will have begin here."""
        self._write("cgroup.procs", str(pid))

    def squeeze(self, least: int) -> None:
        """Let it have what it holds now, files that can be read again left out, or so many bytes where it
        holds less. Where a group has grown meanwhile, a kernel may leave the limit as it was.
        """
        held = int(self._read("memory.usage_in_bytes" if self._is_first else "memory.current"))
        lines = (line.split() for line in self._read("memory.stat").splitlines())
        files = dict(lines)["total_cache" if self._is_first else "file"]
        with suppress(OSError):
            self._limit(str(max(held - int(files) + MARGIN, least)))

    def let_have_all(self) -> None:
        """No limit any more."""
        self._limit("-1" if self._is_first else "max")

    def end(self) -> None:
        """End what is in it, then remove it."""
        until = time.monotonic() + 30
        while pids := self._read("cgroup.procs").split():
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
            assert time.monotonic() < until, f"{pids} stay in {self._folder}"
            time.sleep(0.05)
        self._folder.rmdir()

    def _limit(self, size: str) -> None:
        self._write("memory.limit_in_bytes" if self._is_first else "memory.max", size)

    def _read(self, name: str) -> str:
        return (self._folder / name).read_text()

    def _write(self, name: str, value: str) -> None:
        (self._folder / name).write_text(value)


@contextmanager
def memory_group() -> Iterator[MemoryGroup | None]:
    """None where this user may make none: not root, or in a container."""
    try:
        group = MemoryGroup()
    except OSError:
        yield None
        return
    try:
        yield group
    finally:
        group.end()
