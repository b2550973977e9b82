"""Folders of work in progress, beside the place that the result will have.

The process that works in one holds a lock in it for as long as it lives. So each command has a folder of its
own, and one that nobody holds was left by a process that was killed: the next command beside it removes it.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from adapters.services.locks import exclusive, holder

PREFIX = ".sonoloop-unfinished-"
LOCK = "held"
PATIENCE_SECONDS = 5.0


@contextmanager
def work_folder(parent: Path) -> Iterator[Path]:
    """Give a new folder in `parent`, for this user alone; it is gone afterwards in any case.

    What killed commands left in `parent` is removed first. Raises OSError.
    """
    for each in leftovers(parent):
        _remove(each)
    folder = parent / f"{PREFIX}{secrets.token_hex(4)}"  # named before it is made: no moment is unguarded
    try:
        folder.mkdir(mode=0o700)
        with ExitStack() as stack:
            with suppress(OSError):  # a file system without locks: then nobody takes it for a leftover
                stack.enter_context(exclusive(folder / LOCK, PATIENCE_SECONDS))
            yield folder
    finally:
        _remove(folder)


def leftovers(parent: Path) -> list[Path]:
    """The folders of this user in `parent` that a killed command left; none where that cannot be told."""
    try:
        found = sorted(parent.glob(f"{PREFIX}*"))
        return [each for each in found if each.lstat().st_uid == os.getuid() and _is_left(each)]
    except OSError:
        return []


def _is_left(folder: Path) -> bool:
    lock = folder / LOCK
    return not folder.is_symlink() and lock.exists() and holder(lock) is None


def _remove(folder: Path) -> None:
    """Also where somebody asks for the end meanwhile."""
    try:
        shutil.rmtree(folder, ignore_errors=True)
    except KeyboardInterrupt:
        shutil.rmtree(folder, ignore_errors=True)
        raise
