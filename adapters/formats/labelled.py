"""Frames with their truth from a folder: images beside masks, what the demo draws, or an export of ours."""

from __future__ import annotations

import csv
import json
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from adapters.formats.clips import ClipSource
from adapters.formats.coco import read_masks
from adapters.formats.dataset import FORMAT_NAME
from adapters.formats.frames import FrameFile, walk_frames
from adapters.formats.masks import read_index_png
from adapters.formats.truth import ClassMap, TruthFolder, parse_classes
from loop.errors import BadInput, BadRequest, NotFound
from loop.masks import Mask, check_mask

PAIRS = (("images", "masks"), ("frames", "truth"))
DATASET, SPLITS = "dataset.json", "splits.csv"
COCO = "coco/annotations/instances_all.json"
LAYOUTS = "images/ and masks/ in it, or frames/ and truth/, or what `./sonoloop export` wrote"
ReadTruth = Callable[[FrameFile], Mask]


@dataclass(frozen=True)
class LabelledFrame:
    """A usable frame with its truth bool (C, H, W); `group` is a pseudonym of the patient, else of the clip,
    which holds for one reading only.
    """

    file: FrameFile
    mask: Mask
    group: str

    @property
    def is_alone(self) -> bool:
        """Whether nothing tells which recording it is of, so that it is a group of its own."""
        return self.group == self.file.clip and self.file.identity.source is ClipSource.ALONE


@dataclass(frozen=True)
class LeftOut:
    """A file that is no labelled frame, and why; its path is for the person's eyes."""

    relative: PurePosixPath
    error: BadInput | NotFound


@dataclass(frozen=True)
class LabelledFolder:
    """Labelled frames on disk; `read` may be called again and again."""

    images: Path
    classes: tuple[str, ...]
    groups: Mapping[str, str]
    truth: ReadTruth

    def read(
        self, on_progress: Callable[[int, int], None] = lambda *_: None
    ) -> Iterator[LabelledFrame | LeftOut]:
        """Read every image in the order of its path; `on_progress` hears (files done, files in all).

        Raises BadRequest for an unusable `index.csv`.
        """
        for item in walk_frames(self.images, secrets.token_bytes(32), on_progress):
            if not isinstance(item, FrameFile):
                yield LeftOut(item.relative, item.error)
                continue
            try:
                mask = self.truth(item)
            except (BadInput, NotFound) as error:
                yield LeftOut(item.relative, error)
                continue
            yield LabelledFrame(item, mask, self.groups.get(item.relative.name) or item.patient or item.clip)


def open_labelled(folder: Path, classes: str | None) -> LabelledFolder:
    """Recognise what a folder holds. `classes` as `parse_classes` reads them; None: all those of an export,
    else one class named vessel.

    Raises BadRequest for a folder of no such kind, and for classes that it does not have.
    """
    if not folder.is_dir():
        raise BadRequest(f"{folder}, which is no folder", f"one with {LAYOUTS}", "check --data")
    if (folder / DATASET).is_file():
        return _open_export(folder, classes)
    for images, masks in PAIRS:
        if (folder / images).is_dir() and (folder / masks).is_dir():
            return _open_pair(folder / images, folder / masks, parse_classes(classes or "vessel"))
    raise BadRequest(f"{folder}, a folder without masks", LAYOUTS, "check --data")


def _open_pair(images: Path, masks: Path, classes: ClassMap) -> LabelledFolder:
    truth = TruthFolder(masks, classes)

    def read(file: FrameFile) -> Mask:
        return truth.read(file.relative, file.height, file.width)

    return LabelledFolder(images, classes.names, {}, read)


def _open_export(folder: Path, classes: str | None) -> LabelledFolder:
    known = _export_classes(folder / DATASET)
    named = parse_classes(classes) if classes else ClassMap(known)
    unknown = [name for name in named.names if name not in known]
    if unknown or named.values:
        got = f"the class {unknown[0]}" if unknown else "pixel values for classes"
        raise BadRequest(f"{got} for an export", f"names out of {', '.join(known)}", "mend --classes")
    planes = [known.index(name) for name in named.names]
    whole = _export_truth(folder, len(known))
    return LabelledFolder(
        folder / "images", named.names, _export_groups(folder / SPLITS), lambda file: whole(file)[planes]
    )


def _export_truth(folder: Path, classes: int) -> ReadTruth:
    """By COCO where it is there, for it keeps what classes have in common; else by the index masks."""
    if (folder / COCO).is_file():
        masks = read_masks(folder / COCO)

        def from_coco(file: FrameFile) -> Mask:
            if file.relative.name not in masks:
                raise NotFound(
                    "a frame that the dataset does not name", "one of its images", "export it again"
                )
            return check_mask(masks[file.relative.name], classes, file.height, file.width)

        return from_coco

    def from_png(file: FrameFile) -> Mask:
        mask = read_index_png(folder / "masks" / file.relative.name, classes)
        return check_mask(mask, classes, file.height, file.width)

    return from_png


def _export_classes(path: Path) -> tuple[str, ...]:
    try:
        content: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != FORMAT_NAME:
            raise ValueError(content["format"])
        return tuple(str(each["name"]) for each in content["classes"])
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise BadRequest(
            "a dataset.json that is none of ours", "a whole export", "export it again"
        ) from error


def _export_groups(path: Path) -> dict[str, str]:
    """Patient, else clip, by image; without the table the names of the files must tell."""
    if not path.is_file():
        return {}
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            return {row["image"]: row["patient"] or row["clip"] for row in csv.DictReader(stream)}
    except (OSError, ValueError, LookupError, csv.Error) as error:
        raise BadRequest("a splits.csv that cannot be read", "a whole export", "export it again") from error
