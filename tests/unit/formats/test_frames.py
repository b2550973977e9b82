"""A folder of files becomes frames and set-aside files, in order, with progress and without names."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
from PIL import Image

from adapters.formats.clips import ClipSource
from adapters.formats.frames import FrameFile, RejectedFile, read_frame, walk_frames
from adapters.formats.pixels import decode_frame
from loop.errors import BadFrame, BadRequest
from loop.frames import frame_digest

SALT = b"a secret of this home"


def draw(path: Path, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (12, 16), dtype=np.uint8)).save(path)


def walk(folder: Path) -> list[FrameFile | RejectedFile]:
    return list(walk_frames(folder, SALT))


def test_a_frame_comes_with_its_digest_and_png(tmp_path: Path) -> None:
    draw(tmp_path / "1.png")
    (frame,) = walk(tmp_path)
    assert isinstance(frame, FrameFile)
    assert frame.digest == frame_digest(decode_frame(frame.png))
    new = frame.to_new_frame()
    assert (new.width, new.height, new.clip, new.is_held_out) == (16, 12, frame.clip, False)


def test_the_digest_tells_shapes_of_the_same_bytes_apart() -> None:
    pixels = np.arange(16, dtype=np.uint8)
    assert frame_digest(pixels.reshape(2, 8)) != frame_digest(pixels.reshape(4, 4))


def test_the_same_pixels_in_another_format_are_the_same_frame(tmp_path: Path) -> None:
    draw(tmp_path / "1.png")
    draw(tmp_path / "2.bmp")
    first, second = walk(tmp_path)
    assert isinstance(first, FrameFile)
    assert isinstance(second, FrameFile)
    assert (first.digest, first.png) == (second.digest, second.png)


def test_bad_files_are_set_aside_and_stop_nothing(tmp_path: Path) -> None:
    draw(tmp_path / "a_good.png", 1)
    (tmp_path / "b_empty.png").touch()
    (tmp_path / "c_letter.docx").write_text("Dear colleague")
    (tmp_path / "d_cut.png").write_bytes((tmp_path / "a_good.png").read_bytes()[:90])
    (tmp_path / "e_folder.png").mkdir()
    Image.new("I;16", (20, 20)).save(tmp_path / "f_deep.png")
    draw(tmp_path / "z_good.png", 2)
    items = walk(tmp_path)
    assert [isinstance(item, FrameFile) for item in items] == [True, False, False, False, False, True]
    reasons = [item.error.got for item in items if isinstance(item, RejectedFile)]
    assert [
        word
        for word, got in zip(["empty", "no image", "damaged", "8 bits"], reasons, strict=True)
        if word in got
    ]


def test_no_name_shows_in_what_is_stored_or_logged(tmp_path: Path) -> None:
    draw(tmp_path / "Doe_Jane" / "secret01_1.png")
    (tmp_path / "Doe_Jane" / "secret02.png").touch()
    for item in walk(tmp_path):
        shown = repr(item) + (
            item.error.message if isinstance(item, RejectedFile) else repr(item.to_new_frame())
        )
        assert "Doe" not in shown
        assert "secret" not in shown


def test_hidden_files_and_litter_are_passed_over(tmp_path: Path) -> None:
    draw(tmp_path / "1.png")
    litter = ["._1.png", ".DS_Store", ".hidden/2.png", "__MACOSX/3.png", "Thumbs.db", "desktop.ini"]
    for name in litter:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    assert [item.relative for item in walk(tmp_path)] == [PurePosixPath("1.png")]


def test_files_come_in_the_order_of_their_paths_with_progress(tmp_path: Path) -> None:
    for name in ("b/1.png", "a/2.png", "a/1.png"):
        draw(tmp_path / name)
    heard: list[tuple[int, int]] = []
    items = list(walk_frames(tmp_path, SALT, lambda done, total: heard.append((done, total))))
    assert [str(item.relative) for item in items] == ["a/1.png", "a/2.png", "b/1.png"]
    assert heard == [(1, 3), (2, 3), (3, 3)]


def test_an_empty_folder_gives_nothing_and_a_missing_one_an_answer(tmp_path: Path) -> None:
    assert walk(tmp_path) == []
    with pytest.raises(BadRequest, match="does not exist"):
        walk(tmp_path / "missing")


def test_a_pipe_and_a_broken_link_are_set_aside_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "link.png").symlink_to(tmp_path / "gone.png")
    assert all(isinstance(item, RejectedFile) and "no file" in item.error.got for item in walk(tmp_path))


def test_links_are_followed_within_the_folder_and_not_out_of_it(tmp_path: Path) -> None:
    folder, outside = tmp_path / "frames", tmp_path / "elsewhere"
    draw(folder / "a.png", 1)
    draw(outside / "b.png", 2)
    (folder / "b_within.png").symlink_to(folder / "a.png")
    (folder / "c_out.png").symlink_to(outside / "b.png")
    (folder / "d_up.png").symlink_to(Path("../elsewhere/b.png"))
    (folder / "e_folder").symlink_to(outside)
    (folder / "f_circle.png").symlink_to(folder / "g_circle.png")
    (folder / "g_circle.png").symlink_to(folder / "f_circle.png")
    (folder / "h_passwords.png").symlink_to("/etc/passwd")
    items = walk(folder)
    assert [isinstance(item, FrameFile) for item in items] == [True, True, *[False] * 6]
    out, nowhere = "a link that leads out of the folder", "a link to no file"
    assert [item.error.got for item in items if isinstance(item, RejectedFile)] == [
        *[out] * 3,
        *[nowhere] * 2,
        out,
    ]


def test_a_folder_that_is_itself_a_link_is_read(tmp_path: Path) -> None:
    draw(tmp_path / "frames" / "a.png")
    (tmp_path / "link").symlink_to(tmp_path / "frames")
    assert isinstance(walk(tmp_path / "link")[0], FrameFile)


def test_a_huge_file_is_refused_by_its_size(tmp_path: Path) -> None:
    with (tmp_path / "film.png").open("wb") as stream:
        stream.truncate(300 * 1024 * 1024)  # sparse: takes no room
    with pytest.raises(BadFrame, match="300 MiB"):
        read_frame(tmp_path / "film.png")


@pytest.mark.needs_data
def test_real_frames_are_read_and_their_recordings_recognised(data_root: Path) -> None:
    items = walk(data_root / "carotid/images")
    frames = [item for item in items if isinstance(item, FrameFile)]
    assert len(frames) == len(items) == 110
    assert len({frame.clip for frame in frames}) == 8
    assert {frame.identity.source for frame in frames} == {ClipSource.INDEX}


@pytest.mark.needs_data
def test_a_real_frame_that_is_there_twice_has_one_digest(data_root: Path) -> None:
    first, second = (read_frame(data_root / f"usgra/images/{name}.png") for name in ("0043", "0077"))
    assert frame_digest(first) == frame_digest(second)
