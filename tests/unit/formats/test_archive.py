"""A sealed archive comes back byte for byte, or is refused whole."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.formats.archive import MANIFEST, SEAL, Archive, ArchiveWriter, Manifest, Member, check_name
from loop.errors import BadInput, OutOfSpace

LONG = "label-studio/media/" + "ä" * 100
Forged = tuple[tarfile.TarInfo, bytes]
FILES = {"db/a.sqlite3": b"rows" * 500, "frames/all/b.png": b"\x00\xff" * 700, "empty": b"", LONG: b"long"}


def write(path: Path, files: dict[str, bytes] = FILES) -> Path:
    with path.open("wb") as stream:
        writer = ArchiveWriter(stream)
        for name, data in files.items():
            writer.add_bytes(name, data)
        writer.finish({"made": "here"})
    return path


def forge(
    path: Path, members: Sequence[tuple[tarfile.TarInfo, bytes]], manifest: bytes | None = None
) -> Path:
    """What somebody makes who knows the form, seal and all."""
    listed = {info.name: [len(data), hashlib.sha256(data).hexdigest()] for info, data in members}
    manifest = manifest or json.dumps({"format": 1, "about": {}, "members": listed}).encode()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for info, data in [*members, (plain(MANIFEST, len(manifest)), manifest)]:
            tar.addfile(info, io.BytesIO(data))
        seal = hashlib.sha256(buffer.getvalue()).hexdigest().encode() + b"\n"
        tar.addfile(plain(SEAL, len(seal)), io.BytesIO(seal))
    path.write_bytes(buffer.getvalue())
    return path


def plain(name: str, size: int = 0, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.type, info.linkname = size, 0o600, kind, target
    return info


def test_what_was_added_comes_back_for_its_owner_alone(tmp_path: Path) -> None:
    archive = Archive.open(write(tmp_path / "a.tar"))
    assert archive.manifest.about == {"made": "here"}
    target = tmp_path / "out"
    target.mkdir()
    archive.unpack(target)
    assert {name: (target / name).read_bytes() for name in FILES} == FILES
    assert (target / "db/a.sqlite3").stat().st_mode & 0o077 == 0


def test_an_archive_of_nothing_is_whole(tmp_path: Path) -> None:
    assert Archive.open(write(tmp_path / "a.tar", {})).manifest.members == {}


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_flipped_bit_is_found_wherever_it_lies(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = write(tmp_path_factory.mktemp("flip") / "a.tar")
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    with pytest.raises(BadInput):
        Archive.open(path)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_cut_or_lengthened_file_is_found(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = write(tmp_path_factory.mktemp("cut") / "a.tar")
    content = path.read_bytes()
    length = data.draw(st.integers(0, len(content) + 30_000).filter(lambda n: n != len(content)))
    path.write_bytes(content[:length].ljust(length, b"\0"))
    with pytest.raises(BadInput):
        Archive.open(path)


def test_bytes_that_change_after_the_check_are_found_while_unpacking(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tar")
    archive = Archive.open(path)
    path.write_bytes(path.read_bytes().replace(b"rowsrows", b"rowsrowS", 1))
    (tmp_path / "out").mkdir()
    with pytest.raises(BadInput, match=r"db/a\.sqlite3"):
        archive.unpack(tmp_path / "out")


@pytest.mark.parametrize(
    "name", ["/etc/x", "../x", "a/../../x", "./a", "a//b", "a/", "", "a\\b", "a\nb", "a" * 401, "a/./b"]
)
def test_a_name_that_leads_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadInput):
        check_name(name)
    with pytest.raises(BadInput):
        Archive.open(forge(tmp_path / "a.tar", [(plain(name, 1), b"x")]))


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE]
)
def test_anything_but_plain_files_is_refused(tmp_path: Path, kind: bytes) -> None:
    with pytest.raises(BadInput, match="link, a device or a folder"):
        Archive.open(forge(tmp_path / "a.tar", [(plain("x", 0, kind, "/etc/passwd"), b"")]))


def test_a_file_with_holes_is_refused(tmp_path: Path) -> None:
    bomb = plain("x", 4)
    bomb.pax_headers = {"GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.size": str(10**15)}
    bomb.pax_headers |= {"GNU.sparse.map": "0,4", "GNU.sparse.numblocks": "1"}
    with pytest.raises(BadInput):
        Archive.open(forge(tmp_path / "a.tar", [(bomb, b"data")]))


def test_a_file_named_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="twice"):
        Archive.open(forge(tmp_path / "a.tar", [(plain("x", 1), b"x"), (plain("x", 1), b"y")]))


def test_names_that_the_disk_does_not_tell_apart_are_told_and_nothing_is_written_over(tmp_path: Path) -> None:
    """Such a disk has the second name already when it comes; here somebody else made it."""
    with (tmp_path / "a.tar").open("wb") as stream:
        writer = ArchiveWriter(stream)
        writer.add_bytes("X", b"second")
        writer.finish({})
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "X").write_bytes(b"first")
    with pytest.raises(BadInput, match="a disk that tells these apart"):
        Archive.open(tmp_path / "a.tar").unpack(tmp_path / "new")
    assert (tmp_path / "new" / "X").read_bytes() == b"first"


def test_a_compressed_file_is_refused_unread(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w:gz") as tar:
        tar.addfile(plain("x", 10), io.BytesIO(bytes(10)))
    with pytest.raises(BadInput):
        Archive.open(tmp_path / "a.tar")


@pytest.mark.parametrize(
    "manifest", [b"{", b"[]", b"{}", b'{"format": 1, "about": [], "members": {"x": 3}}', b"[" * 100_000]
)
def test_a_manifest_that_is_none_is_refused(tmp_path: Path, manifest: bytes) -> None:
    with pytest.raises(BadInput):
        Archive.open(forge(tmp_path / "a.tar", [], manifest))


def test_a_later_form_asks_for_a_newer_program(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="update Sonoloop"):
        Archive.open(forge(tmp_path / "a.tar", [], b'{"format": 2, "about": {}, "members": {}}'))


def test_a_manifest_that_hides_a_file_is_refused(tmp_path: Path) -> None:
    manifest = b'{"format": 1, "about": {}, "members": {}}'
    with pytest.raises(BadInput, match="other files"):
        Archive.open(forge(tmp_path / "a.tar", [(plain("x", 1), b"x")], manifest))


def test_what_does_not_fit_on_the_disk_is_not_begun(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tar")
    (tmp_path / "out").mkdir()
    with pytest.raises(OutOfSpace):
        Archive(path, Manifest({}, {"x": Member(10**18, "")})).unpack(tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []
