"""A dataset is written whole, read back by pycocotools with Dice exactly 1, and never half."""

from __future__ import annotations

import csv
import hashlib
import json
import tracemalloc
from contextlib import redirect_stdout
from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from pycocotools.coco import COCO

from adapters.formats.coco import CocoMasks, document, mask_to_annotations, read_masks
from adapters.formats.dataset import write_dataset
from adapters.formats.masks import read_index_png, read_plane_png
from adapters.formats.pixels import encode_png
from adapters.storage import LocalStorage
from loop.errors import BadFrame, BadMask, BadRequest, NotFound
from loop.export import Part
from loop.frames import frame_digest
from loop.masks import Mask, dice, index_map
from tests.unit.formats.exported import MULTI, SINGLE, exported, stored_set
from tests.unit.formats.shapes import HEIGHT, WIDTH, disc, pixel

# pycocotools' decoder says so of itself; nothing of ours can change it
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def by_pycocotools(path: Path, classes: int) -> dict[str, Mask]:
    """The masks as a researcher reads them, through pycocotools' own class."""
    with redirect_stdout(StringIO()):
        coco = COCO(str(path))
    masks = {}
    for image in coco.loadImgs(coco.getImgIds()):
        mask = np.zeros((classes, image["height"], image["width"]), dtype=np.bool_)
        for annotation in coco.loadAnns(coco.getAnnIds(imgIds=image["id"])):
            mask[annotation["category_id"] - 1] |= coco.annToMask(annotation).astype(np.bool_)
        masks[image["file_name"]] = mask
    return masks


@pytest.mark.parametrize("masks", [SINGLE, MULTI], ids=["one class", "two classes"])
def test_pycocotools_reads_every_shape_back_with_dice_1(tmp_path: Path, masks: dict[str, Mask]) -> None:
    _, truth, out = exported(tmp_path, masks)
    read = by_pycocotools(out / "coco/annotations/instances_all.json", len(next(iter(masks.values()))))
    assert read.keys() == truth.keys()
    for name, mask in truth.items():
        for plane, drawn in zip(read[name], mask, strict=True):
            assert dice(plane, drawn) == (1.0 if drawn.any() else None)
        assert np.array_equal(read[name], mask)


@pytest.mark.parametrize("masks", [SINGLE, MULTI], ids=["one class", "two classes"])
def test_index_masks_hold_the_same_pixels(tmp_path: Path, masks: dict[str, Mask]) -> None:
    _, truth, out = exported(tmp_path, masks)
    for name, mask in truth.items():
        with Image.open(out / "masks" / name) as image:
            assert np.array_equal(np.array(image), index_map(mask)[0])
        assert np.array_equal(
            index_map(read_index_png(out / "masks" / name, len(mask)))[0], index_map(mask)[0]
        )


def test_planes_are_written_where_classes_overlap_and_only_then(tmp_path: Path) -> None:
    written, truth, out = exported(tmp_path, MULTI)
    assert written.overlap_pixels > 0
    for name, mask in truth.items():
        planes = np.stack([read_plane_png(out / "masks_by_class" / str(i) / name) for i in (1, 2)])
        assert np.array_equal(planes, mask)
    assert not (exported(tmp_path / "single", SINGLE)[2] / "masks_by_class").exists()


@settings(max_examples=60)
@given(arrays(np.bool_, st.tuples(st.integers(1, 3), st.integers(1, 12), st.integers(1, 12))))
def test_any_mask_survives_coco(mask: Mask) -> None:
    image = {"id": 1, "file_name": "a.png", "height": mask.shape[1], "width": mask.shape[2]}
    annotations = mask_to_annotations(mask, 1, 1)
    content = json.loads(json.dumps(document("t", list("abc")[: len(mask)], [image], annotations)))
    assert np.array_equal(CocoMasks(content)["a.png"], mask)


def test_each_blob_is_one_annotation_with_exact_area_and_box(tmp_path: Path) -> None:
    ring = disc(12) & ~disc(9)
    first, second = mask_to_annotations(np.stack([ring, pixel(3, 7)]), image_id=4, first_id=10)
    assert (first["id"], first["image_id"], first["category_id"], first["iscrowd"]) == (10, 4, 1, 0)
    assert first["area"] == np.count_nonzero(ring)
    assert first["bbox"] == [48, 38, 25, 25]
    assert (second["id"], second["category_id"], second["area"]) == (11, 2, 1)
    assert second["bbox"] == [7, 3, 1, 1]
    assert len(mask_to_annotations(disc(9, 30, 30)[None] | disc(6, 70, 90)[None], 1, 1)) == 2
    assert len(mask_to_annotations((pixel(1, 1) | pixel(2, 2))[None], 1, 1)) == 1


def test_empty_frames_stay_as_images_without_annotations(tmp_path: Path) -> None:
    written, truth, out = exported(tmp_path, SINGLE)
    content = json.loads((out / "coco/annotations/instances_all.json").read_text())
    assert len(content["images"]) == len(truth)
    annotated = {annotation["image_id"] for annotation in content["annotations"]}
    assert len(content["images"]) - len(annotated) == written.empty_frames == 1


def test_category_ids_follow_the_class_list(tmp_path: Path) -> None:
    _, _, out = exported(tmp_path, MULTI)
    for part in ("train", "val", "test", "all"):
        content = json.loads((out / f"coco/annotations/instances_{part}.json").read_text())
        assert [(c["id"], c["name"]) for c in content["categories"]] == [(1, "Vein"), (2, "Artery")]


def test_splits_agree_in_every_file_and_part_no_clip(tmp_path: Path) -> None:
    _, truth, out = exported(tmp_path, SINGLE)
    with (out / "splits.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert {row["image"] for row in rows} == truth.keys()
    for part in (Part.TRAIN, Part.VAL, Part.TEST):
        named = {row["image"] for row in rows if row["split"] == part}
        assert named == read_masks(out / f"coco/annotations/instances_{part}.json").keys()
    parts_of_clip = {(row["clip"], row["split"]) for row in rows}
    assert len(parts_of_clip) == len({clip for clip, _ in parts_of_clip})


def test_held_out_frames_with_a_proposal_have_a_split_of_their_own(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path / "home")
    export, _ = stored_set(storage, SINGLE)
    seen = next(frame for frame in export.frames if frame.part is Part.TEST)
    changed = [replace(frame, part=Part.PROPOSED) if frame is seen else frame for frame in export.frames]
    for name, frames in (("none", export.frames), ("one", tuple(changed))):
        write_dataset(replace(export, frames=frames), storage, tmp_path / name)
    coco = "coco/annotations/instances_{}.json"
    image = f"{seen.digest[:16]}.png"
    assert read_masks(tmp_path / "one" / coco.format("proposed")).keys() == {image}
    assert image not in read_masks(tmp_path / "one" / coco.format("test"))
    assert image in read_masks(tmp_path / "one" / coco.format("all"))
    assert 'split "proposed"' in (tmp_path / "one/README.txt").read_text()
    assert not (tmp_path / "none" / coco.format("proposed")).exists()
    assert 'split "proposed"' not in (tmp_path / "none/README.txt").read_text()


def test_the_readme_says_by_what_the_models_were_chosen(tmp_path: Path) -> None:
    _, _, out = exported(tmp_path, SINGLE)
    assert "each model in service was chosen by its figures on them" in (out / "README.txt").read_text()


def test_images_are_the_stored_pixels(tmp_path: Path) -> None:
    _, truth, out = exported(tmp_path, MULTI)
    for name in truth:
        with Image.open(out / "images" / name) as image:
            assert frame_digest(np.array(image)).startswith(Path(name).stem)


def test_the_manifest_says_where_every_mask_came_from(tmp_path: Path) -> None:
    written, truth, out = exported(tmp_path, SINGLE)
    content = json.loads((out / "dataset.json").read_text())
    assert content["digest"] == written.digest
    assert content["model"] == {"name": "p1-v3", "digest": "cd" * 32}
    assert content["counts"]["frames"] == len(truth) == sum(content["counts"]["by_split"].values())
    assert content["counts"]["unlabelled_frames_left_out"] == 7
    assert content["counts"]["by_decision"] == {"fixed": len(truth) - 1, "empty": 1}
    frame = next(frame for frame in content["frames"] if frame["decision"] == "fixed")
    assert frame["arm"] == "blind"
    assert (frame["reader"], frame["seconds"], frame["proposed_by"]) == ("reader-1", 12.5, "p1-v0")
    readme = (out / "README.txt").read_text()
    assert "Veins of the arm" in readme
    assert written.digest in readme


def test_equal_content_gives_equal_bytes(tmp_path: Path) -> None:
    digests = []
    for name in ("a", "b"):
        _, _, out = exported(tmp_path / name, MULTI)
        files = sorted(path for path in out.rglob("*") if path.is_file())
        digests.append(
            [(path.relative_to(out), hashlib.sha256(path.read_bytes()).digest()) for path in files]
        )
    assert digests[0] == digests[1]


def test_the_digest_follows_masks_splits_and_classes(tmp_path: Path) -> None:
    export, _ = stored_set(LocalStorage(tmp_path), MULTI)
    first, *rest = export.frames
    changed = [
        replace(export, classes=("Artery", "Vein")),
        replace(export, frames=(replace(first, mask_digest="ef" * 32), *rest)),
        replace(
            export, frames=(replace(first, part=Part.VAL if first.part is not Part.VAL else Part.TEST), *rest)
        ),
    ]
    assert len({export.digest, *(each.digest for each in changed)}) == 4
    assert replace(export, title="Other").digest == export.digest


def test_the_masks_of_many_frames_are_not_held_at_once(tmp_path: Path) -> None:
    """Ten thousand frames of 1024 x 768 px would take 15 GB."""
    few, many = (peak_of_export(tmp_path / str(count), count) for count in (50, 200))
    decoded = 150 * MULTI["apart"].nbytes
    assert many - few < decoded / 2


def peak_of_export(folder: Path, frames: int) -> int:
    """Bytes that an export of so many frames holds at most."""
    storage = LocalStorage(folder / "home")
    export, _ = stored_set(storage, dict.fromkeys(map(str, range(frames)), MULTI["apart"]))
    tracemalloc.start()
    try:
        write_dataset(export, storage, folder / "out")
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_target_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path / "home")
    export, _ = stored_set(storage, MULTI)
    out = tmp_path / "out"
    out.mkdir()
    write_dataset(export, storage, out)  # an empty folder is fine
    before = sorted(out.rglob("*"))
    with pytest.raises(BadRequest, match="already holds something"):
        write_dataset(export, storage, out)
    file = tmp_path / "file"
    file.write_text("mine")
    with pytest.raises(BadRequest, match="already holds something"):
        write_dataset(export, storage, file)
    assert sorted(out.rglob("*")) == before
    assert file.read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "home", "out"]


def test_damage_leaves_no_half_dataset(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path / "home")
    export, _ = stored_set(storage, MULTI)
    last = next(frame for frame in reversed(export.frames) if frame.mask_digest)
    unmasked = replace(export, frames=(replace(last, mask_digest=None),))
    storage.local_path("masks", last.mask_digest or "").write_bytes(b"SLM1 rubbish")
    with pytest.raises(BadMask, match=last.mask_digest):
        write_dataset(export, storage, tmp_path / "out")
    storage.local_path("frames", last.digest).write_bytes(encode_png(np.zeros((HEIGHT, WIDTH), np.uint8)))
    with pytest.raises(BadFrame, match="pixels have changed"):
        write_dataset(unmasked, storage, tmp_path / "out")
    storage.local_path("frames", last.digest).unlink()
    with pytest.raises(NotFound):
        write_dataset(unmasked, storage, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


def test_a_mask_of_another_size_than_its_frame_is_refused(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path / "home")
    export, _ = stored_set(storage, {"a": disc(5)[np.newaxis]})
    wrong = replace(export, frames=(replace(export.frames[0], width=WIDTH + 1),))
    with pytest.raises(BadMask, match="need"):
        write_dataset(wrong, storage, tmp_path / "out")


def test_progress_counts_frames(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path / "home")
    export, _ = stored_set(storage, MULTI)
    heard: list[tuple[int, int]] = []
    write_dataset(export, storage, tmp_path / "out", lambda done, total: heard.append((done, total)))
    assert heard == [(number, len(MULTI)) for number in range(1, len(MULTI) + 1)]


def test_a_coco_file_with_a_region_of_another_size_is_refused_when_its_mask_is_read() -> None:
    annotations = mask_to_annotations(disc(5)[np.newaxis], 1, 1)
    image = {"id": 1, "file_name": "a.png", "height": HEIGHT + 1, "width": WIDTH}
    masks = CocoMasks(document("t", ["a"], [image], annotations))
    assert "a.png" in masks
    with pytest.raises(BadMask, match="no COCO dataset of ours"):
        masks["a.png"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"categories": [], "images": [{}], "annotations": []}'])
def test_a_foreign_coco_file_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(BadMask, match="no COCO dataset of ours"):
        read_masks(tmp_path / "x.json")


def test_an_export_through_a_link_fills_the_named_folder_only_if_it_is_empty(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path / "home")
    export, _ = stored_set(storage, MULTI)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "kept.txt").write_text("kept")
    (tmp_path / "to-full").symlink_to(tmp_path / "full")
    with pytest.raises(BadRequest, match="already holds"):
        write_dataset(export, storage, tmp_path / "to-full")
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["kept.txt"]
    (tmp_path / "empty").mkdir()
    (tmp_path / "to-empty").symlink_to(tmp_path / "empty")
    write_dataset(export, storage, tmp_path / "to-empty")
    assert (tmp_path / "empty" / "dataset.json").is_file()
    assert (tmp_path / "to-empty").is_symlink()
