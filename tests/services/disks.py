"""A disk with next to no room: a real small one where this user may mount, else a limit on file sizes."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

FILLER = "filler"
MEGABYTE = 1 << 20


class SmallDisk:
    """`folder` lies on a disk of so many megabytes; `make_room` lets it grow."""

    def __init__(self, folder: Path, megabytes: int) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
        self.is_real = os.geteuid() == 0 and _runs(mount)
        self._megabytes = megabytes
        self._limited: list[int] = []

    def fill(self) -> None:
        """Leave no room at all."""
        if not self.is_real:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            return self.limit(os.getpid(), 0)
        with (self.folder / FILLER).open("wb", buffering=0) as file, suppress(OSError):
            while file.write(bytes(4096)):
                pass
        return None

    def limit(self, pid: int, size: int | None = None) -> None:
        """Where nothing can be mounted: let no file of this process, and of its children, grow beyond it."""
        if not self.is_real:
            most = self._megabytes * MEGABYTE if size is None else size
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))
            self._limited.append(pid)

    def set_read_only(self) -> bool:
        """As the kernel does with a disk that fails; False where nothing can be mounted."""
        return self.is_real and _runs(["mount", "-o", "remount,ro", str(self.folder)])

    def make_room(self) -> None:
        """Let the disk grow to a gigabyte."""
        if self.is_real:
            assert _runs(["mount", "-o", "remount,rw,size=1g", str(self.folder)])
        (self.folder / FILLER).unlink(missing_ok=True)
        while self._limited:
            unlimited = resource.RLIM_INFINITY, resource.RLIM_INFINITY
            resource.prlimit(self._limited.pop(), resource.RLIMIT_FSIZE, unlimited)


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[SmallDisk]:
    """Mounted at `folder` until the end of the block."""
    disk = SmallDisk(folder, megabytes)
    try:
        yield disk
    finally:
        disk.make_room()
        if disk.is_real:
            _runs(["umount", "-l", str(folder)])


def _runs(command: list[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False
