"""Which clip and patient a file belongs to, and that no name shows through."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.formats.clips import ClipIndex, ClipSource, Identity, identify, pseudonym, read_index
from loop.errors import BadRequest

SALT = b"a secret of this home"
NO_INDEX = ClipIndex({})


def of(path: str, index: ClipIndex = NO_INDEX, digest: str = "ab" * 32) -> Identity:
    return identify(PurePosixPath(path), digest, index, SALT)


def index_of(folder: Path, text: str, files: list[str]) -> ClipIndex:
    (folder / "index.csv").write_text(text, encoding="utf-8")
    return read_index(folder, [PurePosixPath(file) for file in files])


def test_a_pseudonym_holds_for_one_salt_and_shows_no_name() -> None:
    assert pseudonym(SALT, "patient", "Jane Doe") == pseudonym(SALT, "patient", " Jane Doe ")
    assert pseudonym(SALT, "patient", "Jane Doe") != pseudonym(SALT[::-1], "patient", "Jane Doe")
    assert pseudonym(SALT, "patient", "x") != pseudonym(SALT, "clip", "x").replace("clip", "patient")
    assert "jane" not in pseudonym(SALT, "patient", "Jane Doe").lower()


def test_two_spellings_of_one_accent_are_one_name() -> None:
    assert pseudonym(SALT, "clip", "Jose\u0301") == pseudonym(SALT, "clip", "Jos\u00e9")


def test_a_short_salt_is_refused() -> None:
    with pytest.raises(BadRequest, match="at least 16"):
        pseudonym(b"short", "clip", "x")


@given(st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=40))
def test_any_file_name_has_an_identity(name: str) -> None:
    assert of(f"clip/_{name}").source is ClipSource.FOLDER


def test_a_file_name_with_half_a_character_has_an_identity_of_its_own() -> None:
    clips = {of(f"{folder}/1.png").clip for folder in ("\ud800", "\udd00", "a")}
    assert len(clips) == 3


def test_a_file_name_that_is_no_utf8_has_an_identity() -> None:
    assert of("caf\udce9/1.png").clip.startswith("clip-")


def test_a_sub_folder_is_the_clip() -> None:
    assert of("left/1.png").clip == of("left/2.png").clip != of("right/1.png").clip
    assert of("left/1.png").patient is None


def test_of_two_levels_of_folders_the_upper_is_the_patient() -> None:
    first, second = of("p1/left/1.png"), of("p2/left/1.png")
    assert first.clip != second.clip
    assert first.patient == of("p1/right/1.png").patient != second.patient


def test_a_numbered_name_gives_its_recording() -> None:
    assert of("rec01_00693.png").clip == of("rec01_00700.png").clip != of("rec02_00693.png").clip
    assert of("rec01_00693.png").source is ClipSource.NAME


@pytest.mark.parametrize("name", ["frame_0001", "0001", "rec01", "rec01-0001", "rec01_a"])
def test_a_name_that_tells_no_recording_makes_the_frame_its_own_clip(name: str) -> None:
    first, second = of(f"{name}.png", digest="ab" * 32), of(f"{name}.png", digest="cd" * 32)
    assert first.source is ClipSource.ALONE
    assert first.clip != second.clip


def test_an_index_names_clip_and_patient_and_wins_over_folders(tmp_path: Path) -> None:
    files = ["x/1.png", "y/2.png", "z/3.png"]
    index = index_of(tmp_path, "File,Clip,Patient\nx/1.png,A,Doe\ny/2.png,A,Doe\n", files)
    first, second, third = (of(file, index) for file in files)
    assert first.clip == second.clip
    assert first.patient == second.patient is not None
    assert first.source is ClipSource.INDEX
    assert third.source is ClipSource.FOLDER


def test_a_clip_of_one_name_in_two_patients_is_two_clips(tmp_path: Path) -> None:
    index = index_of(tmp_path, "file,clip,patient\n1.png,left,A\n2.png,left,B\n", ["1.png", "2.png"])
    assert of("1.png", index).clip != of("2.png", index).clip


def test_an_index_beside_the_folder_counts_when_it_names_its_files(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "index.csv").write_text("id,recording,frame\n7_a,rec1,7\n8_a,rec1,8\n")
    files = [PurePosixPath("7_a.png"), PurePosixPath("8_a.png")]
    index = read_index(tmp_path / "images", files)
    assert of("7_a.png", index).clip == of("8_a.png", index).clip
    assert read_index(tmp_path / "images", [PurePosixPath("other.png")]) == NO_INDEX


def test_a_column_of_numbers_called_frame_is_no_column_of_files(tmp_path: Path) -> None:
    index = index_of(tmp_path, "frame,id,clip\n1,a,C\n2,b,C\n", ["a.png", "b.png"])
    assert of("a.png", index).clip == of("b.png", index).clip


def test_semicolons_tabs_and_byte_order_marks_are_read(tmp_path: Path) -> None:
    for text in ("\ufefffile;clip\n1.png;A\n", "file\tclip\n1.png\tA\n"):
        assert of("1.png", index_of(tmp_path, text, ["1.png"])).source is ClipSource.INDEX


@pytest.mark.parametrize(
    ("text", "got"),
    [
        ("file,clip\nother.png,A\n", "names none of the files"),
        ("picture,clip\n1.png,A\n", "names none of the files"),
        ("", "names none of the files"),
        ("file,clip\n1.png,A\n1.png,B\n", "line 3"),
        ('file,clip\n"1.png,A\n', "cannot be read"),
    ],
)
def test_an_unusable_index_stops_before_clips_could_be_mixed_up(tmp_path: Path, text: str, got: str) -> None:
    with pytest.raises(BadRequest, match=got):
        index_of(tmp_path, text, ["1.png"])


def test_an_index_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "index.csv").write_bytes(b"\xff\xfe\x00file")
    with pytest.raises(BadRequest, match="cannot be read"):
        read_index(tmp_path, [PurePosixPath("1.png")])


def test_an_index_that_no_folder_needs_is_refused_by_its_size(tmp_path: Path) -> None:
    with (tmp_path / "index.csv").open("wb") as stream:
        stream.truncate(1 << 40)  # sparse: takes no room
    with pytest.raises(BadRequest, match="64 MiB"):
        read_index(tmp_path, [PurePosixPath("1.png")])
