"""Files made to wear out who opens them: each is really made, handed in, and refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

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
    program = (
        "import resource; from contextlib import suppress\n"
        "from adapters.formats.pixels import decode_frame; from loop.errors import BadFrame\n"
        "from tests.unit.formats.bombs import bombs, png, SMALL\n"
        "made = bombs(); decode_frame(png(100, 100, SMALL))\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "for data in made.values():\n"
        "    with suppress(BadFrame): decode_frame(data)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < MEMORY * 1024 * (1024 if sys.platform == "darwin" else 1)
