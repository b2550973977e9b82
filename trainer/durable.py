"""Files that are there whole or not at all, also after a crash or on a full disk."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from loop.errors import OutOfSpace

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def write_whole(path: Path, data: bytes) -> None:
    """Write beside, flush to the disk, rename into place. Raises OutOfSpace; what was there before then
    stays.
    """
    beside = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with beside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
        _flush_folder(path.parent)
    except OSError as exc:
        beside.unlink(missing_ok=True)
        if exc.errno in NO_ROOM:
            need = f"{len(data) >> 20} MB free where models are trained"
            raise OutOfSpace("a disk with no room", need, "make room, then try again") from exc
        raise


def _flush_folder(folder: Path) -> None:
    """Make the rename itself durable: it is an entry of the folder, not of the file."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
