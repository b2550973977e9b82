"""Exports of masks of every shape, with one class and with two."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from adapters.formats.dataset import WrittenDataset, write_dataset
from adapters.formats.pixels import encode_png
from adapters.storage import LocalStorage
from loop.export import ExportFrame, ExportSet, Part
from loop.frames import frame_digest
from loop.masks import Mask, mask_digest, pack
from loop.records import Arm, Decision
from tests.unit.formats.shapes import HEIGHT, WIDTH, disc, pixel, single_class_shapes

SINGLE = {name: plane[np.newaxis] for name, plane in single_class_shapes().items()}
MULTI = {
    "apart": np.stack([disc(10, 30, 30), disc(8, 70, 80)]),
    "overlapping": np.stack([disc(20, 50, 60), disc(20, 50, 75)]),
    "one inside the other": np.stack([disc(30), disc(6)]),
    "the second alone": np.stack([np.zeros((HEIGHT, WIDTH), np.bool_), disc(5)]),
    "a pixel each": np.stack([pixel(1, 1), pixel(1, 1)]),
    "nothing": np.zeros((2, HEIGHT, WIDTH), np.bool_),
}


def stored_frame(storage: LocalStorage, mask: Mask, number: int) -> ExportFrame:
    image = np.random.default_rng(number).integers(0, 256, (HEIGHT, WIDTH), dtype=np.uint8)
    storage.put("frames", frame_digest(image), encode_png(image))
    storage.put("masks", mask_digest(mask), pack(mask))
    part = list(Part)[number % 3]
    return ExportFrame(
        digest=frame_digest(image),
        width=WIDTH,
        height=HEIGHT,
        clip=f"clip-{part}-{number % 2}",
        patient=f"patient-{part}" if part is Part.TEST else None,
        part=part,
        mask_digest=mask_digest(mask) if mask.any() else None,
        decision=Decision.FIXED if mask.any() else Decision.NO_VEIN,
        reader="reader-1",
        seconds=12.5,
        is_simulated=False,
        labelled_at=datetime(2025, 3, 1, 12, tzinfo=UTC) + timedelta(minutes=number),
        proposed_by="p1-v0",
        dice_to_proposal=0.5,
        arm=Arm.BLIND,
    )


def stored_set(storage: LocalStorage, masks: Mapping[str, Mask]) -> tuple[ExportSet, dict[str, Mask]]:
    """An export of these masks, and the masks by the name of their image."""
    frames = [stored_frame(storage, mask, number) for number, mask in enumerate(masks.values())]
    classes = ("Vein", "Artery")[: len(next(iter(masks.values())))]
    ordered = tuple(sorted(frames, key=lambda frame: frame.digest))
    by_name = {f"{f.digest[:16]}.png": mask for f, mask in zip(frames, masks.values(), strict=True)}
    return ExportSet("Veins of the arm", classes, "p1-v3", "cd" * 32, ordered, 7), by_name


def exported(folder: Path, masks: Mapping[str, Mask]) -> tuple[WrittenDataset, dict[str, Mask], Path]:
    storage = LocalStorage(folder / "home")
    export, by_name = stored_set(storage, masks)
    return write_dataset(export, storage, folder / "out"), by_name, folder / "out"
