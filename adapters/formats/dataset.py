"""Write a labelled dataset as a folder for researchers: COCO, index masks, images, splits, provenance, a
README.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from adapters.formats.coco import categories, document, mask_to_annotations, read_masks
from adapters.formats.masks import encode_index_png, encode_plane_png, read_index_png, read_plane_png
from adapters.formats.pixels import decode_frame
from adapters.formats.readme import readme_text
from adapters.formats.staging import staged_folder
from loop.errors import BadFrame, BadMask
from loop.export import ExportFrame, ExportSet, Part, exported_decision
from loop.frames import frame_digest
from loop.masks import Mask, check_mask, index_map, unpack
from loop.ports import Storage

FORMAT_NAME, FORMAT_VERSION = "sonoloop-dataset", 1

Json = dict[str, Any]
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class _Entry:
    """One frame on its way out: its COCO image, its annotations, and its pixels where classes overlap."""

    frame: ExportFrame
    image: Json
    annotations: list[Json]
    overlaps: int


@dataclass(frozen=True)
class WrittenDataset:
    """What an export wrote: its digest, and counts of frames, annotations, empty frames and overlapping
    pixels.
    """

    digest: str
    frames: int
    annotations: int
    empty_frames: int
    overlap_pixels: int


def write_dataset(
    export: ExportSet,
    storage: Storage,
    target: Path,
    on_progress: Progress = lambda *_: None,
    home: Path | None = None,
) -> WrittenDataset:
    """Write the dataset into a new folder, read it back, compare every mask, and only then give it its
    name. In `home` it is noted where the work in progress lies.

    Equal content gives equal bytes. `on_progress` hears (frames done, frames in all). Raises BadRequest
    when the target holds something, NotFound, BadFrame or BadMask for damaged content, OutOfSpace, Denied,
    Unavailable: then nothing is left.
    """
    with staged_folder(target, home) as stage:
        entries: list[_Entry] = []
        next_id = 1
        for number, frame in enumerate(export.frames, start=1):
            entries.append(_write_frame(stage, export, storage, frame, number, next_id))
            next_id += len(entries[-1].annotations)
            on_progress(number, len(export.frames))
        if any(entry.overlaps for entry in entries):
            _write_planes(stage, export, storage)
        written = _summary(export, entries)
        _write_tables(stage, export, entries, written)
        check_dataset(stage, export, storage)
    return written


def check_dataset(folder: Path, export: ExportSet, storage: Storage) -> None:
    """Compare every mask of a written dataset with the stored one, pixel by pixel. Raises BadMask for a
    difference.
    """
    from_coco = read_masks(folder / "coco/annotations/instances_all.json")
    for frame in export.frames:
        mask, name = _stored_mask(export, storage, frame), _file_name(frame)
        indices, overlaps = index_map(mask)
        is_same = name in from_coco and bool((from_coco[name] == mask).all())
        from_png = read_index_png(folder / "masks" / name, len(export.classes))
        is_same &= bool((index_map(from_png)[0] == indices).all())
        if overlaps:
            planes = [read_plane_png(folder / f"masks_by_class/{i}" / name) for i in range(1, len(mask) + 1)]
            is_same &= all(bool((plane == drawn).all()) for plane, drawn in zip(planes, mask, strict=True))
        if not is_same:
            raise BadMask(
                "an exported mask unlike the stored one", "equal pixels", "report this", frame=frame.digest
            )


def _write_frame(
    stage: Path, export: ExportSet, storage: Storage, frame: ExportFrame, image_id: int, first_id: int
) -> _Entry:
    mask, name = _stored_mask(export, storage, frame), _file_name(frame)
    png, overlaps = encode_index_png(mask)
    _write(stage / "images" / name, _stored_png(storage, frame))
    _write(stage / "masks" / name, png)
    image = {
        "id": image_id,
        "file_name": name,
        "width": frame.width,
        "height": frame.height,
        "clip": frame.clip,
        "patient": frame.patient,
        "may_be_outdated": frame.may_be_outdated,
    }
    return _Entry(frame, image, mask_to_annotations(mask, image_id, first_id), overlaps)


def _write_planes(stage: Path, export: ExportSet, storage: Storage) -> None:
    for frame in export.frames:
        for number, plane in enumerate(_stored_mask(export, storage, frame), start=1):
            _write(stage / f"masks_by_class/{number}" / _file_name(frame), encode_plane_png(plane))


def _stored_mask(export: ExportSet, storage: Storage, frame: ExportFrame) -> Mask:
    if frame.mask_digest is None:
        return np.zeros((len(export.classes), frame.height, frame.width), dtype=np.bool_)
    mask = unpack(storage.get("masks", frame.mask_digest))
    return check_mask(mask, len(export.classes), frame.height, frame.width)


def _stored_png(storage: Storage, frame: ExportFrame) -> bytes:
    data = storage.get("frames", frame.digest)
    if frame_digest(decode_frame(data)) != frame.digest:
        got = "a stored frame whose pixels have changed"
        raise BadFrame(got, "the pixels of its digest", "import it again", frame=frame.digest)
    return data


def _write_tables(stage: Path, export: ExportSet, entries: Sequence[_Entry], written: WrittenDataset) -> None:
    annotations = stage / "coco/annotations"
    _write_json(annotations / "instances_all.json", _coco(export, entries))
    for part in Part:
        chosen = [entry for entry in entries if entry.frame.part is part]
        if part is Part.PROPOSED and not chosen:
            continue
        _write_json(annotations / f"instances_{part}.json", _coco(export, chosen))
    _write(stage / "splits.csv", _splits_csv(export).encode())
    _write_json(stage / "dataset.json", _manifest(export, entries, written))
    _write(stage / "README.txt", readme_text(export, bool(written.overlap_pixels)).encode())


def _coco(export: ExportSet, entries: Sequence[_Entry]) -> Json:
    annotations = [annotation for entry in entries for annotation in entry.annotations]
    return document(export.title, export.classes, [entry.image for entry in entries], annotations)


def _splits_csv(export: ExportSet) -> str:
    stream = io.StringIO()
    table = csv.writer(stream, lineterminator="\n")
    table.writerow(["image", "split", "clip", "patient"])
    table.writerows([_file_name(f), f.part.value, f.clip, f.patient or ""] for f in export.frames)
    return stream.getvalue()


def _summary(export: ExportSet, entries: Sequence[_Entry]) -> WrittenDataset:
    return WrittenDataset(
        digest=export.digest,
        frames=len(entries),
        annotations=sum(len(entry.annotations) for entry in entries),
        empty_frames=sum(not entry.annotations for entry in entries),
        overlap_pixels=sum(entry.overlaps for entry in entries),
    )


def _manifest(export: ExportSet, entries: Sequence[_Entry], written: WrittenDataset) -> Json:
    return {
        "format": FORMAT_NAME,
        "format_version": FORMAT_VERSION,
        "title": export.title,
        "digest": export.digest,
        "classes": categories(export.classes),
        "model": {"name": export.champion, "digest": export.champion_digest},
        "labelled_until": max(frame.labelled_at for frame in export.frames).isoformat(),
        "counts": {
            "frames": written.frames,
            "unlabelled_frames_left_out": export.unlabelled,
            "unreadable_labels": len(export.unreadable),
            "frames_that_may_be_outdated": len(export.outdated()),
            "empty_frames": written.empty_frames,
            "annotations": written.annotations,
            "overlap_pixels": written.overlap_pixels,
            "clips": len({frame.clip for frame in export.frames}),
            "patients": len({frame.patient for frame in export.frames if frame.patient}),
            "by_split": export.counts(),
            "by_decision": export.decisions(),
        },
        "frames": [_provenance(entry) for entry in entries],
    }


def _provenance(entry: _Entry) -> Json:
    frame = entry.frame
    return {
        "image": _file_name(frame),
        "frame_digest": frame.digest,
        "mask_digest": frame.mask_digest,
        "split": frame.part.value,
        "decision": exported_decision(frame.decision),
        "arm": frame.arm.value if frame.arm else None,
        "reader": frame.reader,
        "is_simulated": frame.is_simulated,
        "seconds": frame.seconds,
        "labelled_at": frame.labelled_at.isoformat(),
        "proposed_by": frame.proposed_by,
        "dice_to_proposal": frame.dice_to_proposal,
        "may_be_outdated": frame.may_be_outdated,
        "overlap_pixels": entry.overlaps,
    }


def _file_name(frame: ExportFrame) -> str:
    return f"{frame.digest[:16]}.png"


def _write_json(path: Path, content: Json) -> None:
    _write(path, (json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode())


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
