"""Files made to wear out who opens them: each is really made, handed in, and refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from adapters.formats.frames import RejectedFile, walk_frames
from adapters.formats.masks import read_plane_png
from adapters.formats.pixels import decode_frame
from adapters.formats.truth import ClassMap, read_truth
from adapters.storage import LocalStorage, StoredImages
from loop.errors import BadFrame, BadMask
from loop.records import Frame
from tests.services.homes import NOW
from tests.unit.formats.bombs import SMALL, bombs, film, packed_zeros, png, tiff

ROOT = Path(__file__).resolve().parents[3]
NAMES = tuple(bombs())
MEMORY = 200
"""MB that all bombs together may take beyond what is loaded anyway: one of them unpacked takes a thousand."""
PROGRAM = """
import re, resource, sys
from contextlib import suppress
from pathlib import Path
from adapters.formats.pixels import decode_frame
from loop.errors import BadFrame
from tests.unit.formats.bombs import SMALL, bombs, png

def peak():
    if sys.platform == "darwin":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return int(re.search(r"VmHWM:\\s+([0-9]+)", Path("/proc/self/status").read_text())[1])

{preparation}
decode_frame(png(100, 100, SMALL))
before = peak()
{reading}
print(peak() - before)
"""
"""Linux lets `ru_maxrss` begin with the peak of the process that started this one."""
LARGEST = 260
"""MB for the largest picture that is taken: 160 of them are its own pixels."""


@pytest.mark.parametrize("name", NAMES)
def test_a_bomb_is_no_frame(name: str) -> None:
    with pytest.raises(BadFrame) as refused:
        decode_frame(bombs()[name])
    assert refused.value.todo


def test_a_small_picture_with_a_gibibyte_behind_its_last_row_is_read_to_that_row() -> None:
    assert decode_frame(png(100, 100, packed_zeros())).shape == (100, 100)


def test_a_tiff_whose_next_page_is_its_first_is_one_picture_and_no_endless_one() -> None:
    assert decode_frame(tiff(20, next_page=8)).shape == (20, 20)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "TIFF", "PNG"])
def test_a_film_is_no_frame(kind: str) -> None:
    with pytest.raises(BadFrame, match="several pictures"):
        decode_frame(film(kind))


@pytest.mark.parametrize("name", NAMES)
def test_a_bomb_is_no_truth_and_no_exported_mask(name: str, tmp_path: Path) -> None:
    path = tmp_path / "mask.png"
    path.write_bytes(bombs()[name])
    with pytest.raises(BadMask):
        read_truth(path, ClassMap(("vein",)), 100, 100)
    with pytest.raises(BadMask):
        read_plane_png(path)


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "PNG"])
def test_a_film_is_no_truth(kind: str, tmp_path: Path) -> None:
    (tmp_path / "mask.png").write_bytes(film(kind))
    with pytest.raises(BadMask, match="several pictures"):
        read_truth(tmp_path / "mask.png", ClassMap(("vein",)), 20, 20)


@pytest.mark.parametrize("side", [9_000, 60_000])
def test_a_bomb_in_the_storage_is_known_by_its_size(side: int, tmp_path: Path) -> None:
    storage, digest = LocalStorage(tmp_path), "a" * 64
    storage.put("frames", digest, png(side, side, SMALL))
    frame = Frame(1, 1, digest, 100, 100, "clip", None, False, None, NOW)
    with pytest.raises(BadFrame, match="damaged"):
        StoredImages(storage).read(frame)


def test_a_folder_of_bombs_is_set_aside_file_by_file(tmp_path: Path) -> None:
    for number, data in enumerate(bombs().values()):
        (tmp_path / f"{number:02d}.png").write_bytes(data)
    items = list(walk_frames(tmp_path, b"a secret of this home"))
    assert len(items) == len(NAMES)
    assert all(isinstance(item, RejectedFile) for item in items)


def test_all_bombs_together_take_little_memory() -> None:
    reading = "for data in made.values():\n    with suppress(BadFrame): decode_frame(data)\n"
    assert megabytes("made = bombs()", reading) < MEMORY


def test_the_largest_picture_that_is_taken_takes_little_more_memory_than_its_pixels(tmp_path: Path) -> None:
    side = 6320
    Image.new("RGBA", (side, side), (90, 60, 30, 128)).save(tmp_path / "large.png", compress_level=1)
    reading = f"assert decode_frame(made).shape == ({side}, {side})"
    assert megabytes(f"made = Path({str(tmp_path / 'large.png')!r}).read_bytes()", reading) < LARGEST


def megabytes(preparation: str, reading: str) -> float:
    """What `reading` takes at its peak beyond what was there, in a process of its own."""
    program = PROGRAM.format(preparation=preparation, reading=reading)
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return int(done.stdout) / 1024
