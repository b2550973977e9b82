"""COCO instances with exact run-length codes: holes, single pixels and frames without a vessel survive."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask
from scipy import ndimage

from loop.errors import BadMask
from loop.masks import Mask

Json = dict[str, Any]

_EIGHT_NEIGHBOURS = np.ones((3, 3), dtype=np.bool_)


def categories(classes: Sequence[str]) -> list[Json]:
    """Classes in drawing order as COCO categories with ids 1..C: the values of the index masks."""
    return [{"id": number, "name": name, "supercategory": ""} for number, name in enumerate(classes, start=1)]


def mask_to_annotations(mask: Mask, image_id: int, first_id: int) -> list[Json]:
    """One annotation per class and 8-connected blob of bool (C, H, W), with its exact area and box in px.

    Ids count up from `first_id`. The blobs of a class OR-ed are its plane; an empty mask gives [].
    """
    blobs = [(category, blob) for category, plane in enumerate(mask, start=1) for blob in _blobs(plane)]
    return [
        _annotation(blob, category, image_id, annotation_id)
        for annotation_id, (category, blob) in enumerate(blobs, start=first_id)
    ]


def document(title: str, classes: Sequence[str], images: Sequence[Json], annotations: Sequence[Json]) -> Json:
    """A whole COCO file; `images` without an annotation are kept, for they are true negatives."""
    return {
        "info": {"description": title},
        "licenses": [],
        "categories": categories(classes),
        "images": list(images),
        "annotations": list(annotations),
    }


class CocoMasks(Mapping[str, Mask]):
    """The masks of a parsed COCO document: bool (C, H, W) by image file name, classes by category id.

    Each is decoded when it is asked for and not kept: those of ten thousand frames are 15 GB. Making it
    raises LookupError, TypeError or ValueError for a document of another form, decoding one BadMask.
    """

    def __init__(self, content: Mapping[str, Any]) -> None:
        self._planes = {category["id"]: plane for plane, category in enumerate(content["categories"])}
        self._images = {image["file_name"]: image for image in content["images"]}
        self._of_image: dict[int, list[Json]] = {image["id"]: [] for image in content["images"]}
        for annotation in content["annotations"]:
            self._of_image[annotation["image_id"]].append(annotation)

    def __getitem__(self, name: str) -> Mask:
        image = self._images[name]
        try:
            mask = np.zeros((len(self._planes), image["height"], image["width"]), dtype=np.bool_)
            for annotation in self._of_image[image["id"]]:
                blob = coco_mask.decode(annotation["segmentation"]).astype(np.bool_)
                mask[self._planes[annotation["category_id"]]] |= blob
        except (ValueError, LookupError, TypeError) as error:
            raise _foreign() from error
        return mask

    def __contains__(self, name: object) -> bool:
        return name in self._images

    def __iter__(self) -> Iterator[str]:
        return iter(self._images)

    def __len__(self) -> int:
        return len(self._images)


def read_masks(path: Path) -> CocoMasks:
    """Read a COCO file back. Raises BadMask."""
    try:
        return CocoMasks(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise _foreign() from error


def _foreign() -> BadMask:
    """The error for what cannot be read back."""
    return BadMask("a file that is no COCO dataset of ours", "a whole one", "export it again")


def _blobs(plane: NDArray[np.bool_]) -> Iterator[NDArray[np.bool_]]:
    labels, count = ndimage.label(plane, structure=_EIGHT_NEIGHBOURS)
    return (labels == number for number in range(1, count + 1))


def _annotation(blob: NDArray[np.bool_], category: int, image_id: int, annotation_id: int) -> Json:
    code = coco_mask.encode(np.asfortranarray(blob, dtype=np.uint8))
    return {
        "id": annotation_id,
        "image_id": image_id,
        "category_id": category,
        "segmentation": {
            "size": [int(side) for side in code["size"]],
            "counts": code["counts"].decode("ascii"),
        },
        "area": int(coco_mask.area(code)),
        "bbox": [float(value) for value in coco_mask.toBbox(code)],
        "iscrowd": 0,
    }
