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

from adapters.locks import exclusive, holder

PREFIX = ".sonoloop-unfinished-"
LOCK, TAKEN = "held", "taken"
NOTES = Path("run", "unfinished")
PATIENCE_SECONDS = 5.0


@contextmanager
def work_folder(parent: Path, home: Path | None = None) -> Iterator[Path]:
    """Give a new folder in `parent`, for this user alone; it is gone afterwards in any case.

    What killed commands left is removed first: that in `parent`, and that which is noted in the home of
    which this is the work. Raises OSError.
    """
    for each in leftovers(parent, home):
        _remove(each, home)
    folder = parent / f"{PREFIX}{secrets.token_hex(4)}"  # named before it is made: no moment is unguarded
    try:
        _note(folder, home)
        folder.mkdir(mode=0o700)
        with ExitStack() as stack:
            with suppress(OSError):  # a file system without locks: then nobody takes it for a leftover
                stack.enter_context(exclusive(folder / TAKEN, PATIENCE_SECONDS))
                (folder / TAKEN).rename(folder / LOCK)  # so that it is held as soon as it is there
            yield folder
    finally:
        _remove(folder, home)


def leftovers(parent: Path, home: Path | None = None) -> list[Path]:
    """What killed commands of this user left in `parent`, in the home, and where its notes say."""
    places = {parent.absolute(), *({home.absolute()} if home else ()), *_noted_places(home)}
    return sorted(each for place in places for each in _in_place(place))


def _in_place(parent: Path) -> list[Path]:
    try:
        found = list(parent.glob(f"{PREFIX}*"))
        return [each for each in found if each.lstat().st_uid == os.getuid() and _is_left(each)]
    except OSError:
        return []


def _note(folder: Path, home: Path | None) -> None:
    """So that the doctor finds it, wherever it is; a home that cannot be written is copied all the same."""
    with suppress(OSError):
        if home:
            (home / NOTES).mkdir(parents=True, exist_ok=True)
            (home / NOTES / folder.name).write_text(str(folder.absolute()))


def _noted_places(home: Path | None) -> set[Path]:
    places = set()
    for note in (home / NOTES).glob(f"{PREFIX}*") if home else ():
        with suppress(OSError):  # gone by now, with the work that it was about
            places.add(Path(note.read_text()).parent)
    return places


def _is_left(folder: Path) -> bool:
    lock = folder / LOCK
    return not folder.is_symlink() and lock.exists() and holder(lock) is None


def _remove(folder: Path, home: Path | None) -> None:
    """Also where somebody asks for the end meanwhile."""
    try:
        shutil.rmtree(folder, ignore_errors=True)
    except KeyboardInterrupt:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    finally:
        with suppress(OSError):
            if home and not folder.exists():
                (home / NOTES / folder.name).unlink(missing_ok=True)
