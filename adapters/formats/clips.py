"""Which clip and patient a file belongs to, and the pseudonyms that stand for both: no name leaves this
module.
"""

from __future__ import annotations

import csv
import hashlib
import hmac
import io
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath

from loop.errors import BadRequest

INDEX_NAME = "index.csv"
HERE = PurePosixPath()
MAX_INDEX_BYTES = 64 << 20
KEY_COLUMNS = ("file", "filename", "frame", "image", "id", "name")
CLIP_COLUMNS = ("clip", "recording", "video", "sequence")
PATIENT_COLUMNS = ("patient", "patient_id", "subject", "subject_id")

_Table = Sequence[tuple[int, Mapping[str, str]]]

# A recording's name, then the number of the frame: `rec01_00693`. The name must hold a digit, since a bare
# word such as `frame` in `frame_0001` names no recording.
_NUMBERED = re.compile(r"(?P<recording>.*\d.*)_\d+")


class ClipSource(StrEnum):
    """What told which clip a frame belongs to."""

    INDEX = "index.csv"
    FOLDER = "sub-folder"
    NAME = "file name"
    ALONE = "no clue: each frame is its own clip"


@dataclass(frozen=True)
class Identity:
    """Pseudonyms of a frame's clip and patient, and where the clip came from.

    `weaker`: the clips that the file would have by weaker clues to it, so that a frame stored by one of them
    can be told better; None: a person wrote this one down, which counts more than anything.
    `is_patient_told`: a person wrote down the patient. `inner`: of the weaker clips, those of the same path
    seen from a folder further in.
    """

    clip: str
    patient: str | None
    source: ClipSource
    weaker: frozenset[str] | None = frozenset()
    is_patient_told: bool = False
    inner: frozenset[str] = frozenset()


@dataclass(frozen=True)
class _Row:
    clip: str
    patient: str


@dataclass(frozen=True)
class ClipIndex:
    """The rows of an `index.csv` by file; empty where there is none.

    `stray_lines`: the lines of its rows that name none of the files; not told of a table for a wider folder,
    which names others by right. `is_beside`: it lies beside the folder, and may name others' files as well.
    """

    rows: Mapping[str, _Row]
    stray_lines: Sequence[int] = ()
    is_beside: bool = False

    def find(self, relative: PurePosixPath) -> _Row | None:
        """The row of a file, looked up by path, then by ever less of it, each with and without its suffix."""
        return next((self.rows[name] for name in map(_tidy, _names(relative)) if name in self.rows), None)


def pseudonym(salt: bytes, kind: str, name: str) -> str:
    """A short id that stands for a name: the same for the same home, not to be turned back without its
    salt.

    HMAC-SHA256 of the Unicode-normalised name, cut to 16 hex digits. Raises BadRequest for a salt under 16
    bytes.
    """
    if len(salt) < 16:
        raise BadRequest(f"a salt of {len(salt)} bytes", "at least 16", "use the secret of the home")
    message = _encoded(f"{kind}\0{_tidy(name)}")
    return f"{kind}-{hmac.new(salt, message, hashlib.sha256).hexdigest()[:16]}"


def _encoded(name: str) -> bytes:
    """As Linux stores a name, whatever its bytes; other systems give names that stand for no bytes there."""
    try:
        return name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return name.encode("utf-8", "surrogatepass")


def identify(relative: PurePosixPath, digest: str, index: ClipIndex, salt: bytes) -> Identity:
    """Name the clip and patient of one file, by the first that knows: index, sub-folder, numbered name,
    nothing.

    `relative` is the path under the folder that names are seen from: `clip/file` or `patient/clip/file`;
    `digest` is the frame's own.
    """
    row = index.find(relative) or _Row("", "")
    clips = _clips_of_path(relative, digest, salt)
    (source, clip), weaker = clips[0], frozenset(each for _, each in clips[1:])
    folders = relative.parts[:-1]
    patient = row.patient or (folders[0] if len(folders) > 1 else "")
    patient_id = pseudonym(salt, "patient", patient) if patient else None
    if row.clip:
        clip = pseudonym(salt, "clip", f"{row.patient}/{row.clip}")
        return Identity(clip, patient_id, ClipSource.INDEX, None, bool(row.patient))
    inner = frozenset(each for kind, each in clips[1:] if kind is ClipSource.FOLDER)
    return Identity(clip, patient_id, source, weaker, bool(row.patient), inner)


def _clips_of_path(relative: PurePosixPath, digest: str, salt: bytes) -> list[tuple[ClipSource, str]]:
    """What a path alone can tell of a file's clip, the best clue first.

    Of several folders all together, then without the upper ones, as where a folder within was given; then the
    name, then nothing.
    """
    folders = relative.parts[:-1]
    names = [(ClipSource.FOLDER, "/".join(folders[level:])) for level in range(len(folders))]
    if numbered := _NUMBERED.fullmatch(relative.stem):
        names.append((ClipSource.NAME, numbered["recording"]))
    names.append((ClipSource.ALONE, f"frame {digest}"))
    return [(source, pseudonym(salt, "clip", name)) for source, name in names]


def read_index(folder: Path, files: Sequence[PurePosixPath], above: PurePosixPath = HERE) -> ClipIndex:
    """Read `index.csv` in the folder, or beside it where that one names these files; without either the
    index is empty. `above` is the folder's path under the one that it is seen from: then one in any folder in
    between, or beside that one, counts as well, the nearest first.

    Raises BadRequest for a table in the folder that names none of its files, or one that puts a file into
    two clips.
    """
    places = [folder, folder.parent]
    if above.parts:
        places += folder.resolve().parents[1 : len(above.parts) + 1]
    seen = [above / file for file in files]
    for place in (each / INDEX_NAME for each in places):
        if place.is_file():
            table = _read_table(place)
            key = _key_column(table, seen)
            if key:
                rows, is_beside = _rows_by_file(table, key), place.parent != folder
                is_wider = is_beside and bool(above.parts)
                return ClipIndex(rows, [] if is_wider else _stray_lines(table, key, seen), is_beside)
            if place.parent == folder:
                need = f"a column {', '.join(KEY_COLUMNS[:-1])} or {KEY_COLUMNS[-1]} that names the files"
                raise BadRequest(
                    "an index.csv that names none of the files", need, "mend the table or take it away"
                )
    return ClipIndex({})


def _read_table(place: Path) -> _Table:
    """Lines and rows by lower-case column name; comma, semicolon or tab, whichever the header holds most."""
    if place.stat().st_size > MAX_INDEX_BYTES:
        got = f"an index.csv of {place.stat().st_size >> 20} MiB"
        raise BadRequest(got, f"at most {MAX_INDEX_BYTES >> 20} MiB", "keep the columns of clip and patient")
    try:
        text = place.read_text(encoding="utf-8-sig")
        header = text.partition("\n")[0]
        delimiter = max(",;\t", key=header.count)
        rows = csv.DictReader(io.StringIO(text), delimiter=delimiter, strict=True)
        return [
            (rows.line_num, {_tidy(name).lower(): value or "" for name, value in row.items() if name})
            for row in rows
        ]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadRequest(
            "an index.csv that cannot be read", "a comma-separated table in UTF-8", "save it anew"
        ) from error


def _key_column(table: _Table, files: Iterable[PurePosixPath]) -> str | None:
    """The first column whose values name files: one called `frame` may hold file names or mere numbers."""
    known = _known_names(files)
    columns = table[0][1].keys() if table else ()
    candidates = [name for name in KEY_COLUMNS if name in columns]
    return next((name for name in candidates if any(_tidy(row[name]) in known for _, row in table)), None)


def _stray_lines(table: _Table, key: str, files: Iterable[PurePosixPath]) -> list[int]:
    """Where rows name none of the files; a row of empty cells, as spreadsheets leave them, names nothing."""
    known = _known_names(files)
    return [line for line, row in table if _tidy(row[key]) not in known and any(map(_tidy, row.values()))]


def _known_names(files: Iterable[PurePosixPath]) -> set[str]:
    return {_tidy(name) for file in files for name in _names(file)}


def _names(file: PurePosixPath) -> list[str]:
    """What a table may call a file: the path, that without its first folder, and so on down to the name."""
    shorter = [PurePosixPath(*file.parts[level:]) for level in range(len(file.parts))]
    return [str(name) for each in shorter for name in (each, each.with_suffix(""))]


def _rows_by_file(table: _Table, key: str) -> dict[str, _Row]:
    rows: dict[str, _Row] = {}
    for line, cells in table:
        row = _Row(_first(cells, CLIP_COLUMNS), _first(cells, PATIENT_COLUMNS))
        if rows.setdefault(_tidy(cells[key]), row) != row:
            raise BadRequest(
                f"a second clip or patient for a file in line {line} of index.csv", "one", "mend the table"
            )
    return rows


def _first(cells: Mapping[str, str], columns: Iterable[str]) -> str:
    return next((_tidy(cells[name]) for name in columns if cells.get(name, "").strip()), "")


def _tidy(name: str) -> str:
    """One spelling of a name: macOS and Linux write the same accent in two ways."""
    return unicodedata.normalize("NFC", name.strip())
