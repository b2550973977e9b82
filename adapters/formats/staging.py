"""Folders that appear whole or not at all."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from adapters.disk import mapped_disk_errors
from adapters.unfinished import work_folder
from loop.errors import BadRequest, Denied


@contextmanager
def staged_folder(target: Path, home: Path | None = None) -> Iterator[Path]:
    """Give a folder to fill beside `target`; it takes that name when the block ends well and goes when not.

    What killed ones left beside it, or for the same `home` elsewhere, goes first (see `adapters.unfinished`).
    Raises BadRequest when `target` exists and is no empty folder (nothing is written then), OutOfSpace,
    Denied, Unavailable.
    """
    target = target.expanduser().resolve()
    with mapped_disk_errors():
        _check_is_free(target)
        with ExitStack() as stack:
            stage = _make_holder(stack, target.parent, home) / "content"
            stage.mkdir()
            yield stage
            os.sync()  # the name must not outlive the content when the power fails
            _rename(stage, target)


def _make_holder(stack: ExitStack, parent: Path, home: Path | None) -> Path:
    try:
        parent.mkdir(parents=True, exist_ok=True)
        return stack.enter_context(work_folder(parent, home))
    except (FileNotFoundError, FileExistsError, NotADirectoryError, PermissionError) as error:
        raise _unwritable() from error
    except OSError as error:
        if error.errno == errno.EROFS:
            raise _unwritable() from error
        raise


def _check_is_free(target: Path) -> None:
    if target.is_dir() and not any(target.iterdir()):
        return
    if target.exists():
        raise _taken()


def _rename(stage: Path, target: Path) -> None:
    try:
        stage.rename(target)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
            raise _taken() from error
        raise


def _unwritable() -> Denied:
    todo = "name a folder elsewhere, or mend its permissions; nothing was written"
    return Denied("a target where no folder can be made", "a place that this user may write to", todo)


def _taken() -> BadRequest:
    todo = "name a new folder, or remove the old one first; nothing was written"
    return BadRequest("a target that already holds something", "a new or empty folder", todo)
