"""Writing to the local disk durably, and what its errors mean."""

from __future__ import annotations

import errno
import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from loop.errors import Denied, NotFound, OutOfSpace, SonoloopError, Unavailable

PART_PREFIX = ".writing-"

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_REFUSED = {errno.EACCES, errno.EPERM}


def write_whole(path: Path, data: bytes) -> None:
    """Write a file durably and at once under its name; on any error nothing is left. Raises OSError."""
    descriptor, name = tempfile.mkstemp(prefix=PART_PREFIX, dir=path.parent)
    part = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fchmod(stream.fileno(), 0o644)  # Label Studio may run as another user
            os.fsync(stream.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def write_private(path: Path, text: str, *, is_first: bool) -> bool:
    """Write a file durably and at once, for this user alone, over the one that is there. Raises OSError.

    One that `is_first` is never put in the place of a faster caller's: False, that one stands.
    """
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if is_first:
            os.link(draft, path)  # unlike a rename, it replaces nothing
        else:
            draft.replace(path)
    except FileExistsError:
        return False
    finally:
        draft.unlink(missing_ok=True)
    sync_folder(path.parent)
    return True


def sync_folder(folder: Path) -> None:
    """Make the new name durable; some file systems cannot sync a folder, and the content is safe anyway."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def mapped_disk_errors(**ids: object) -> Iterator[None]:
    """Turn an OSError into our own tree: OutOfSpace, NotFound, Denied or Unavailable, without its path."""
    try:
        yield
    except OSError as error:
        raise disk_error(error, **ids) from error


def disk_error(error: OSError, **ids: object) -> SonoloopError:
    """The error of our own that an OSError of the disk means."""
    if error.errno in _NO_ROOM:
        return OutOfSpace("a full disk", "room for the data", "free some space and try again", **ids)
    if error.errno == errno.EROFS:
        todo = "look into the system's log: a disk that fails is put so"
        return Denied("a read-only file system", "one that can be written", todo, **ids)
    if error.errno in _REFUSED:
        return Denied(
            "a disk that refuses us", "a folder we may read and write", "check its permissions", **ids
        )
    if isinstance(error, FileNotFoundError):
        return NotFound("no such file", "one that exists", "restore it from a backup", **ids)
    reason = os.strerror(error.errno) if error.errno else "unknown reason"
    return Unavailable(f"a disk error ({reason})", "a working disk", "check it and try again", **ids)
