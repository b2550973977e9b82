"""Truth masks are read by a class map, or refused with a reason."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from adapters.formats.truth import ClassMap, TruthFolder, parse_classes, read_truth
from loop.errors import BadMask, BadRequest, NotFound

INDICES = np.array([[0, 1, 2], [2, 0, 0]], dtype=np.uint8)


def save(path: Path, indices: NDArray[np.uint8], mode: str = "L") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(indices).convert(mode).save(path)
    return path


def read(path: Path, classes: str, height: int = 2, width: int = 3) -> NDArray[np.bool_]:
    return read_truth(path, parse_classes(classes), height, width)


def test_classes_are_parsed_with_and_without_values() -> None:
    assert parse_classes("Vein, Artery") == ClassMap(("Vein", "Artery"))
    assert parse_classes("vessel=2") == ClassMap(("vessel",), (2,))
    assert parse_classes("Deep vein=2,Artery = 1") == ClassMap(("Deep vein", "Artery"), (2, 1))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Vein,",
        "=2",
        "Vein,vein",
        "Vein=1,Artery",
        "Vein=0",
        "Vein=256",
        "A=1,B=1",
        "A=x",
        "A\x07B",
        "A=²",
    ],
)
def test_a_class_list_that_could_be_misread_is_refused(text: str) -> None:
    with pytest.raises(BadRequest):
        parse_classes(text)


def test_values_choose_classes_and_other_values_are_background(tmp_path: Path) -> None:
    mask = read(save(tmp_path / "m.png", INDICES), "vessel=2")
    assert mask.dtype == np.bool_
    assert np.array_equal(mask, [INDICES == 2])


def test_classes_without_values_count_from_one(tmp_path: Path) -> None:
    mask = read(save(tmp_path / "m.png", INDICES), "Vein,Artery")
    assert np.array_equal(mask, [INDICES == 1, INDICES == 2])


@pytest.mark.parametrize("value", [1, 255])
def test_a_single_class_may_be_drawn_as_1_or_255(tmp_path: Path, value: int) -> None:
    drawn = (INDICES == 2).astype(np.uint8) * value
    assert np.array_equal(read(save(tmp_path / "m.png", drawn), "lumen"), [INDICES == 2])


def test_palette_masks_and_bilevel_masks_are_read_by_index(tmp_path: Path) -> None:
    image = Image.fromarray(INDICES).convert("P")
    image.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    image.save(tmp_path / "palette.png")
    assert np.array_equal(read(tmp_path / "palette.png", "vessel=2"), [INDICES == 2])
    Image.fromarray(INDICES == 2).save(tmp_path / "bilevel.png")
    assert np.array_equal(read(tmp_path / "bilevel.png", "lumen"), [INDICES == 2])


def test_an_empty_mask_gives_empty_planes(tmp_path: Path) -> None:
    mask = read(save(tmp_path / "m.png", np.zeros((2, 3), np.uint8)), "Vein,Artery")
    assert mask.shape == (2, 2, 3)
    assert not mask.any()


def test_an_unexpected_value_is_refused_rather_than_dropped(tmp_path: Path) -> None:
    with pytest.raises(BadMask, match=r"values \[2\].*--classes vessel=2"):
        read(save(tmp_path / "m.png", INDICES), "vessel")


def test_a_mask_of_another_size_than_its_frame_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadMask, match="got a mask of 3 x 2 px; need the frame's 4 x 2 px"):
        read(save(tmp_path / "m.png", INDICES), "vessel=2", 2, 4)


def test_a_coloured_mask_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadMask, match="type RGB"):
        read(save(tmp_path / "m.png", INDICES, "RGB"), "vessel=2")


@pytest.mark.parametrize("data", [b"", b"a letter", b"\x89PNG\r\n\x1a\n cut"])
def test_a_mask_that_is_no_image_is_refused_without_its_name(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "Jane.png"
    path.write_bytes(data)
    with pytest.raises(BadMask) as caught:
        read(path, "vessel=2")
    assert "Jane" not in caught.value.message


def test_a_truth_folder_mirrors_the_folder_of_frames(tmp_path: Path) -> None:
    save(tmp_path / "clip1/7.png", INDICES)
    truth = TruthFolder(tmp_path, parse_classes("vessel=2"))
    assert truth.read(PurePosixPath("clip1/7.jpg"), 2, 3).sum() == 2
    with pytest.raises(NotFound, match="no truth mask"):
        truth.read(PurePosixPath("clip1/8.jpg"), 2, 3)


@pytest.mark.needs_data
def test_real_truth_is_read_for_both_sets(data_root: Path) -> None:
    usgra = read_truth(data_root / "usgra/masks/0001.png", parse_classes("vessel=2"), 512, 512)
    assert abs(usgra.mean() - 0.0837) < 1e-4
    carotid = read_truth(data_root / "carotid/masks/rec01_01069.png", parse_classes("lumen"), 512, 485)
    assert abs(carotid.mean() - 0.0243) < 1e-4


def test_a_truth_mask_is_not_fetched_from_outside_its_folder(tmp_path: Path) -> None:
    save(tmp_path / "elsewhere" / "1.png", INDICES)
    folder = tmp_path / "truth"
    folder.mkdir()
    (folder / "1.png").symlink_to(tmp_path / "elsewhere" / "1.png")
    with pytest.raises(BadMask, match="out of the folder"):
        TruthFolder(folder, parse_classes("a,b")).read(PurePosixPath("1.jpg"), 2, 3)
    with pytest.raises(BadMask, match="out of the folder"):
        TruthFolder(folder, parse_classes("a,b")).read(PurePosixPath("../elsewhere/1.jpg"), 2, 3)
