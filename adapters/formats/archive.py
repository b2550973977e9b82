"""A sealed archive: an uncompressed tar whose last two members say what it holds and that nothing changed.

`manifest.json` names the SHA-256 of every member before it; `seal.sha256` that of every byte before itself.
So a cut or a flipped byte is found wherever it lies. The seal is no signature: whoever can write the file can
seal it anew, so names, kinds and sizes are checked as those of a stranger.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

from adapters.formats.archive_manifest import TODO, WHOLE, Manifest, Member, check_name
from loop.errors import BadInput, OutOfSpace

MANIFEST, SEAL = "manifest.json", "seal.sha256"
MOST_MEMBERS = 5_000_000
LARGEST_MANIFEST = 2 << 30
CHUNK = 1 << 20

DAMAGED = "a backup that was cut short or changed"


class ArchiveWriter:
    """Writes one archive to a stream, member after member; only `finish` makes it whole."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = _HashedStream(stream)
        self._tar = tarfile.TarFile(
            fileobj=cast(IO[bytes], self._stream), mode="w", format=tarfile.PAX_FORMAT
        )
        self._members: dict[str, Member] = {}

    def add_bytes(self, name: str, data: bytes) -> None:
        """Add a member that is in memory."""
        self._add(name, io.BytesIO(data), len(data))

    def add_file(self, name: str, path: Path) -> None:
        """Add a file as long as it is now. Raises OSError, also for one that becomes shorter meanwhile."""
        with path.open("rb") as source:
            self._add(name, source, os.fstat(source.fileno()).st_size)

    def finish(self, about: Mapping[str, Any]) -> Manifest:
        """Add the manifest and the seal."""
        manifest = Manifest(about, self._members)
        data = manifest.to_bytes()
        self._tar.addfile(_header(MANIFEST, len(data)), io.BytesIO(data))
        seal = _seal(self._stream.digest())
        self._tar.addfile(_header(SEAL, len(seal)), io.BytesIO(seal))
        self._tar.close()
        return manifest

    def _add(self, name: str, source: IO[bytes], size: int) -> None:
        check_name(name)
        hashed = _HashedSource(source)
        self._tar.addfile(_header(name, size), hashed)
        self._members[name] = Member(size, hashed.digest())


@dataclass(frozen=True)
class Archive:
    """An archive whose seal, names, kinds and sizes were checked; its members' bytes are by `unpack`."""

    path: Path
    manifest: Manifest

    @classmethod
    def open(cls, path: Path, on_bytes: Callable[[int], None] = lambda _: None) -> Archive:
        """Check the whole file. Raises BadInput for one that is cut, changed, foreign or dangerous, OSError.

        `on_bytes` hears how many more bytes were read.
        """
        try:
            with tarfile.open(path, "r:") as tar:
                members = _members_of(tar, path.stat().st_size)
                _check_seal(path, members, on_bytes)
                manifest = Manifest.from_bytes(_read(tar, members[-2]))
        except (tarfile.TarError, EOFError, UnicodeError) as error:
            raise BadInput(DAMAGED, WHOLE, TODO) from error
        held = {each.name: each.size for each in members[:-2]}
        if held != {name: each.size for name, each in manifest.members.items()}:
            raise BadInput("a backup whose manifest names other files than it holds", WHOLE, TODO)
        return cls(path, manifest)

    @property
    def size(self) -> int:
        """Bytes of all members."""
        return sum(each.size for each in self.manifest.members.values())

    def unpack(self, folder: Path, on_bytes: Callable[[int], None] = lambda _: None) -> None:
        """Write every member below `folder`, which is empty, for this user alone, and check its digest.

        Raises BadInput, OutOfSpace before anything is written where it would not fit, OSError.
        """
        if self.size > shutil.disk_usage(folder).free:
            need = f"{self.size / 1e9:.1f} GB free beside the new home"
            raise OutOfSpace("too little room on the disk", need, "make room, or name another --home")
        with tarfile.open(self.path, "r:") as tar:
            for info in tar:
                if info.name in self.manifest.members:
                    self._unpack_one(tar, info, folder, on_bytes)

    def _unpack_one(
        self, tar: tarfile.TarFile, info: tarfile.TarInfo, folder: Path, on_bytes: Callable[[int], None]
    ) -> None:
        target, source = folder / info.name, tar.extractfile(info)
        target.parent.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256()
        with _new_file(target, info.name) as file:
            while chunk := source.read(CHUNK) if source else b"":
                file.write(chunk)
                digest.update(chunk)
                on_bytes(len(chunk))
        if digest.hexdigest() != self.manifest.members[info.name].digest:
            raise BadInput(f"{DAMAGED} ({info.name})", WHOLE, TODO)


def _new_file(target: Path, name: str) -> BinaryIO:
    try:
        return open(target, "xb", opener=private)
    except FileExistsError as error:
        raise BadInput(
            f"{name}, which differs from another name by upper and lower case alone",
            "a disk that tells these apart",
            "name a --home on another disk, and move it from there",
        ) from error


def _members_of(tar: tarfile.TarFile, file_size: int) -> list[tarfile.TarInfo]:
    members: list[tarfile.TarInfo] = []
    for info in tar:
        _check_member(info, file_size)
        members.append(info)
        if len(members) > MOST_MEMBERS:
            raise BadInput(f"a backup of more than {MOST_MEMBERS} files", "fewer", TODO)
    names = {info.name for info in members}
    if len(names) < len(members):
        raise BadInput("a backup that names a file twice", "each once", TODO)
    if [info.name for info in members[-2:]] != [MANIFEST, SEAL] or members[-2].size > LARGEST_MANIFEST:
        raise BadInput(DAMAGED, WHOLE, TODO)
    return members


def _check_member(info: tarfile.TarInfo, file_size: int) -> None:
    """Without compression and holes no member can be larger than the file that it lies in."""
    if info.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or info.issparse():
        raise BadInput("a backup with a link, a device or a folder in it", "plain files alone", TODO)
    check_name(info.name)
    if info.size < 0 or info.offset_data + info.size > file_size:
        raise BadInput(DAMAGED, WHOLE, TODO)


def _check_seal(path: Path, members: list[tarfile.TarInfo], on_bytes: Callable[[int], None]) -> None:
    """Compares every byte: those before the seal by their digest, the rest with what it must be."""
    start, digest = members[-1].offset, hashlib.sha256()
    with path.open("rb") as file:
        left = start
        while left and (chunk := file.read(min(CHUNK, left))):
            digest.update(chunk)
            left -= len(chunk)
            on_bytes(len(chunk))
        end = io.BytesIO()
        with tarfile.open(fileobj=end, mode="w", format=tarfile.PAX_FORMAT) as tar:
            seal = _seal(digest.hexdigest())
            tar.addfile(_header(SEAL, len(seal)), io.BytesIO(seal))
        wanted = end.getvalue()[: 2 * tarfile.BLOCKSIZE]
        if file.read(len(wanted)) != wanted:
            raise BadInput(DAMAGED, WHOLE, TODO)
        padding = file.read(2 * tarfile.RECORDSIZE + 1)
    is_whole = 2 * tarfile.BLOCKSIZE <= len(padding) <= 2 * tarfile.RECORDSIZE and not any(padding)
    if not is_whole or path.stat().st_size % tarfile.RECORDSIZE:
        raise BadInput(DAMAGED, WHOLE, TODO)


def _read(tar: tarfile.TarFile, info: tarfile.TarInfo) -> bytes:
    source = tar.extractfile(info)
    return source.read() if source else b""


def _seal(digest: str) -> bytes:
    return f"{digest}\n".encode()


def _header(name: str, size: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o600
    return info


def private(path: str, flags: int) -> int:
    """An opener of files that only this user may read."""
    return os.open(path, flags, 0o600)


@dataclass
class _HashedStream:
    """What the tar is written to; it is never read or sought."""

    stream: IO[bytes]
    _hash: Any = field(default_factory=hashlib.sha256)
    _length: int = 0

    def write(self, data: bytes) -> int:
        self._hash.update(data)
        self._length += len(data)
        return self.stream.write(data)

    def tell(self) -> int:
        return self._length

    def digest(self) -> str:
        return str(self._hash.hexdigest())


@dataclass
class _HashedSource:
    """What a member is read from."""

    source: IO[bytes]
    _hash: Any = field(default_factory=hashlib.sha256)

    def read(self, size: int = -1) -> bytes:
        data = self.source.read(size)
        self._hash.update(data)
        return data

    def digest(self) -> str:
        return str(self._hash.hexdigest())


__all__ = ["MANIFEST", "SEAL", "Archive", "ArchiveWriter", "Manifest", "Member", "check_name", "private"]
