"""Freezing what a round learns from and is judged on: pure, and the same for the same labels."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence

from loop.errors import BadRequest
from loop.records import Frame, MaskVersion
from loop.splits import inner_split
from loop.training_records import Split, TrainingEntry, TrainingSet


def build_training_set(
    masks: Sequence[MaskVersion], frames: Mapping[int, Frame], inner_fraction: float, seed: int
) -> TrainingSet:
    """Freeze the current masks; `frames` holds every frame of the project by id.

    Frames of held-out groups are for the gate alone, and only where they were read blind: a mask that was
    drawn over a proposal would favour the model that made it. An inner part of the other groups decides when
    training stops. Raises BadRequest when nothing is left to learn from.
    """
    held_out = {frame.group for frame in frames.values() if frame.is_held_out}
    groups = {frames[mask.frame_id].group for mask in masks} - held_out
    inner = inner_split(groups, inner_fraction, seed)
    entries = [
        _entry(mask, frames[mask.frame_id], _split(frames[mask.frame_id].group, held_out, inner))
        for mask in masks
        if mask.proposal_id is None or frames[mask.frame_id].group not in held_out
    ]
    if not any(entry.split is Split.TRAIN for entry in entries):
        raise BadRequest(
            f"{len(entries)} labelled frames, none of which may teach",
            "at least one outside the held-out groups",
            "label some more",
        )
    ordered = tuple(sorted(entries, key=lambda entry: entry.frame_digest))
    return TrainingSet(manifest_digest(ordered), ordered)


def manifest_digest(entries: Iterable[TrainingEntry]) -> str:
    """SHA-256 hex over frames, masks, groups and splits, in the order of the frames' digests: no database
    ids.
    """
    lines = sorted(f"{item.frame_digest} {item.mask_digest} {item.split} {item.group}" for item in entries)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _split(group: str, held_out: Collection[str], inner: Collection[str]) -> Split:
    if group in held_out:
        return Split.HELD_OUT
    return Split.INNER if group in inner else Split.TRAIN


def _entry(mask: MaskVersion, frame: Frame, split: Split) -> TrainingEntry:
    if mask.mask_digest is None:
        raise BadRequest("a mask version without a mask", "a trainable one", mask_version=mask.id)
    return TrainingEntry(frame.id, frame.digest, mask.id, mask.mask_digest, frame.group, split)
