"""What people uploaded to Label Studio, as a backup takes it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from adapters.formats.archive import ArchiveWriter
from adapters.formats.archive_manifest import check_name
from loop.errors import BadInput

PLACE = "label-studio"
NOT_MEDIA = "label_studio.sqlite3"
DISKS = ("media", "media/upload")
"""Where a link to another disk is what somebody chose; any other link may lead anywhere, in circles too."""


@dataclass
class Uploads:
    """Files by their names in the archive, and what cannot be in it, each with its reason."""

    files: dict[str, Path] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)


def add_uploads(writer: ArchiveWriter, root: Path) -> list[str]:
    """Add all of them and give what could not be. A file that vanishes meanwhile was deleted there. Raises
    OSError, also for a folder that may not be read.
    """
    uploads = find_uploads(root / PLACE)
    for name, path in uploads.files.items():
        with suppress(FileNotFoundError):
            writer.add_file(name, path)
    return uploads.left_out


def find_uploads(folder: Path) -> Uploads:
    """Every plain file below Label Studio's folder but its database, also behind a link of `DISKS`."""
    found = Uploads()
    for path in _walk(folder, folder):
        name = f"{PLACE}/{path.relative_to(folder).as_posix()}"
        if path.is_symlink():
            found.left_out.append(f"{name!a} (a link)")
        elif not _is_nameable(name):
            found.left_out.append(f"{name!a} (its name)")
        else:
            found.files[name] = path
    return found


def _walk(folder: Path, top: Path) -> Iterator[Path]:
    """Plain files and links, in order; of another kind there is nothing to keep."""
    try:
        entries = sorted(folder.iterdir())
    except FileNotFoundError:
        return
    for path in entries:
        name = path.relative_to(top).as_posix()
        is_disk = name in DISKS and path.is_dir()
        if is_disk or (path.is_dir() and not path.is_symlink()):
            yield from _walk(path, top)
        elif not name.startswith(NOT_MEDIA) and (path.is_symlink() or _is_plain(path)):
            yield path


def _is_plain(path: Path) -> bool:
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except FileNotFoundError:
        return False


def _is_nameable(name: str) -> bool:
    try:
        check_name(name)
    except BadInput:
        return False
    return True
