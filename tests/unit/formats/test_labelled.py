from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from adapters.formats.labelled import LabelledFolder, LabelledFrame, LeftOut, open_labelled
from loop.errors import BadRequest
from loop.masks import index_map
from tests.unit.formats.exported import MULTI, exported


def save(path: Path, pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def grey(seed: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.random.default_rng(seed).integers(0, 255, (20, 30), np.uint8)


def indices(value: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    mask = np.zeros((20, 30), np.uint8)
    mask[5:9, 5:12], mask[0, 0] = value, 1
    return mask


def read_all(source: LabelledFolder) -> tuple[list[LabelledFrame], list[LeftOut]]:
    items = list(source.read())
    frames = [each for each in items if isinstance(each, LabelledFrame)]
    return frames, [each for each in items if isinstance(each, LeftOut)]


@pytest.mark.parametrize(("images", "masks"), [("images", "masks"), ("frames", "truth")])
def test_pictures_beside_masks_are_read_with_the_class_that_is_meant(
    tmp_path: Path, images: str, masks: str
) -> None:
    for number in range(3):
        save(tmp_path / images / "clip1" / f"{number}.png", grey(number))
        save(tmp_path / masks / "clip1" / f"{number}.png", indices(2))
    save(tmp_path / images / "clip2" / "9.png", grey(9))
    frames, left_out = read_all(open_labelled(tmp_path, "vessel=2"))
    assert [frame.mask.sum() for frame in frames] == [28, 28, 28]
    assert len({frame.group for frame in frames}) == 1
    assert [(str(each.relative), type(each.error).__name__) for each in left_out] == [
        ("clip2/9.png", "NotFound")
    ]


def test_a_table_beside_the_pictures_tells_recordings_and_patients(tmp_path: Path) -> None:
    for name in "abcd":
        save(tmp_path / "images" / f"{name}.png", grey(ord(name)))
        save(tmp_path / "masks" / f"{name}.png", indices(255))
    table = "file,recording,patient\na,r1,p1\nb,r2,p1\nc,r3,p2\nd,r3,\n"
    (tmp_path / "index.csv").write_text(table)
    frames, _ = read_all(open_labelled(tmp_path, "vessel=255"))
    groups = [frame.group for frame in frames]
    assert groups[0] == groups[1], "two recordings of one patient"
    assert len(set(groups)) == 3
    assert not any(word in group for group in groups for word in ("r1", "p1"))


def test_masks_with_other_values_are_left_out_with_what_to_do(tmp_path: Path) -> None:
    save(tmp_path / "images" / "a.png", grey(1))
    save(tmp_path / "masks" / "a.png", indices(2))
    frames, left_out = read_all(open_labelled(tmp_path, None))
    assert frames == []
    assert "--classes vessel=2" in left_out[0].error.message


def test_an_export_is_read_as_it_was_labelled(tmp_path: Path) -> None:
    """Overlaps included, which index masks cannot hold."""
    _, truth, out = exported(tmp_path, MULTI)
    source = open_labelled(out, None)
    frames, left_out = read_all(source)
    assert (source.classes, left_out) == (("Vein", "Artery"), [])
    assert {frame.file.relative.name for frame in frames} == truth.keys()
    assert all(np.array_equal(frame.mask, truth[frame.file.relative.name]) for frame in frames)

    arteries, _ = read_all(open_labelled(out, "Artery"))
    assert all(np.array_equal(frame.mask, truth[frame.file.relative.name][1:]) for frame in arteries)

    (out / "coco/annotations/instances_all.json").unlink()
    flat, _ = read_all(open_labelled(out, None))
    assert all(
        np.array_equal(index_map(frame.mask)[0], index_map(truth[frame.file.relative.name])[0])
        for frame in flat
    )


def test_the_patients_of_an_export_are_its_groups_and_its_clips_where_none_is_known(tmp_path: Path) -> None:
    _, _, out = exported(tmp_path, MULTI)
    frames, _ = read_all(open_labelled(out, None))
    assert {frame.group for frame in frames} == {
        "patient-test", "clip-train-0", "clip-train-1", "clip-val-0", "clip-val-1"
    }  # fmt: skip


def test_folders_and_classes_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    for wrong in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(BadRequest, match="images/ and masks/"):
            open_labelled(wrong, None)
    _, _, out = exported(tmp_path, MULTI)
    for classes in ("Nerve", "Vein=2"):
        with pytest.raises(BadRequest, match="names out of"):
            open_labelled(out, classes)
    for text in ('{"format": "another"}', "{", "[]"):
        (out / "dataset.json").write_text(text)
        with pytest.raises(BadRequest, match=r"dataset\.json"):
            open_labelled(out, None)
