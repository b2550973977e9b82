"""Walk a folder of images: every file becomes a normalised frame or is set aside with its reason."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from adapters.formats.clips import HERE, INDEX_NAME, ClipIndex, Identity, identify, pseudonym, read_index
from adapters.formats.links import leads_out
from adapters.formats.pixels import decode_frame, encode_png
from loop.errors import BadFrame, BadRequest
from loop.frames import frame_digest
from loop.records import NewFrame
from loop.regrouping import Claim

MAX_FILE_BYTES = 256 * 1024 * 1024

_LITTER = {INDEX_NAME, "thumbs.db", "desktop.ini"}
_LITTER_FOLDERS = {"__MACOSX"}

Progress = Callable[[int, int], None]
"""Hears (files done, files in all)."""


@dataclass(frozen=True)
class FrameFile:
    """A file that became a frame: uint8 (H, W) pixels, their digest, canonical PNG bytes, pseudonyms of
    clip and patient.

    `relative` is the path under the folder, for finding the truth mask of the same name; it is kept out of
    every `repr`, must not be stored and must not be logged.
    """

    image: NDArray[np.uint8] = field(repr=False, compare=False)
    digest: str
    png: bytes = field(repr=False)
    identity: Identity
    relative: PurePosixPath = field(repr=False)

    @property
    def clip(self) -> str:
        """Its pseudonym."""
        return self.identity.clip

    @property
    def patient(self) -> str | None:
        """Its pseudonym."""
        return self.identity.patient

    @property
    def height(self) -> int:
        """Rows, px."""
        return int(self.image.shape[0])

    @property
    def width(self) -> int:
        """Columns, px."""
        return int(self.image.shape[1])

    def to_new_frame(self, is_held_out: bool = False) -> NewFrame:
        """The record that goes into the database."""
        return NewFrame(self.digest, self.width, self.height, self.clip, self.patient, is_held_out)

    def to_claim(self) -> Claim:
        """What is told of the frame's place, should it be known already."""
        told = self.identity
        return Claim(self.digest, told.clip, told.patient, told.weaker, told.is_patient_told, told.inner)


@dataclass(frozen=True)
class RejectedFile:
    """A file that is no usable frame: `subject` is its pseudonym, for the record; `relative` is for the
    person's eyes.
    """

    subject: str
    error: BadFrame
    relative: PurePosixPath = field(repr=False)


def walk_frames(
    folder: Path,
    salt: bytes,
    on_progress: Progress = lambda *_: None,
    root: Path | None = None,
    on_index: Callable[[ClipIndex], None] = lambda _: None,
) -> Iterator[FrameFile | RejectedFile]:
    """Read every image under a folder in the order of its path; a folder without files gives nothing.

    Hidden files, `._` files, `index.csv` and the litter of file browsers are passed over; every other file
    gives one item. Links to files are followed within the folder; those out of it, and those to folders, are
    set aside. One file at a time is in memory. `salt` is the home's secret, see `clips.pseudonym`.
    Clips and patients are those seen from `root`, a folder around this one with links resolved. `on_index`
    hears of the table, empty where there is none, before the first item.
    Raises BadRequest for a folder that is none, and for an unusable `index.csv`, before the first item.
    """
    files = list_files(folder)
    above = HERE if root is None else PurePosixPath(folder.resolve().relative_to(root).as_posix())
    index = read_index(folder, files, above)
    on_index(index)
    for done, relative in enumerate(files, start=1):
        yield _read_or_reject(folder, relative, above, index, salt)
        on_progress(done, len(files))


def list_files(folder: Path) -> list[PurePosixPath]:
    """The files that `walk_frames` looks at, as paths under the folder, sorted. Raises BadRequest."""
    if not folder.is_dir():
        raise BadRequest("a folder of frames that does not exist", "a folder", "check the path")
    found = []
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".") and name not in _LITTER_FOLDERS]
        links = [name for name in folders if Path(place, name).is_symlink()]  # which `walk` does not enter
        found += [
            Path(place, name)
            for name in (*names, *links)
            if not name.startswith(".") and name.lower() not in _LITTER
        ]
    return sorted(PurePosixPath(path.relative_to(folder).as_posix()) for path in found)


def read_frame(path: Path) -> NDArray[np.uint8]:
    """Read one image file to uint8 (H, W), see `pixels.decode_frame`. Raises BadFrame, whose message names
    no file.
    """
    return decode_frame(_read_bytes(path))


def _read_or_reject(
    folder: Path, relative: PurePosixPath, above: PurePosixPath, index: ClipIndex, salt: bytes
) -> FrameFile | RejectedFile:
    try:
        if leads_out(folder, folder / relative):
            todo = "copy the file into the folder, if it belongs there"
            raise BadFrame("a link that leads out of the folder", "a file in it", todo)
        image = read_frame(folder / relative)
    except BadFrame as error:
        return RejectedFile(pseudonym(salt, "file", str(relative)), error, relative)
    digest = frame_digest(image)
    identity = identify(above / relative, digest, index, salt)
    return FrameFile(image, digest, encode_png(image), identity, relative)


def _read_bytes(path: Path) -> bytes:
    try:
        if path.is_symlink() and not path.exists():
            raise BadFrame("a link to no file", "an image file", "copy the file itself into the folder")
        if not path.is_file():
            raise BadFrame("something that is no file", "an image file", "take it out of the folder")
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            limit = f"at most {MAX_FILE_BYTES // 1024**2} MiB"
            raise BadFrame(f"a file of {size // 1024**2} MiB", limit, "save one picture a file")
        return path.read_bytes()
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else "unknown"
        raise BadFrame(
            f"a file that cannot be read ({reason})", "a readable one", "check its permissions"
        ) from error
