"""The labelled frames of a comparison, named by their content alone: no name of a file is kept."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from loop.masks import Mask, mask_digest, pack
from trainer.comparison.folder import Folder
from trainer.comparison.protocol import ComparedFrame
from trainer.durable import write_whole


@dataclass(frozen=True)
class Labelled:
    """A frame with its truth as read: `png` is an 8-bit grey picture whose pixels have the SHA-256 `digest`,
    `group` whatever tells its patient, else its clip, apart from others.
    """

    digest: str
    png: bytes
    mask: Mask
    group: str


def survey(frames: Iterable[Labelled]) -> tuple[tuple[ComparedFrame, ...], int]:
    """Say what a protocol keeps of the frames, sorted by digest, and how many came again: of equal pictures
    the first counts, for one that teaches must not test. Groups get names by the frames they hold.
    """
    found: dict[str, ComparedFrame] = {}
    again = 0
    for each in frames:
        if each.digest in found:
            again += 1
            continue
        classes = tuple(bool(plane.any()) for plane in each.mask)
        found[each.digest] = ComparedFrame(each.digest, mask_digest(each.mask), each.group, classes)
    return _renamed([found[digest] for digest in sorted(found)]), again


def is_stored(folder: Folder, frames: Iterable[ComparedFrame]) -> bool:
    """Whether every frame and mask lies in the comparison's folder already."""
    return all(folder.frame(each.frame).exists() and folder.mask(each.mask).exists() for each in frames)


def store(folder: Folder, frames: Iterable[Labelled]) -> None:
    """Write what is not there. Raises OutOfSpace."""
    for part in ("frames", "masks"):
        (folder.root / "data" / part).mkdir(parents=True, exist_ok=True)
    for each in frames:
        wanted = {
            folder.frame(each.digest): each.png,
            folder.mask(mask_digest(each.mask)): pack(each.mask),
        }
        for path, data in wanted.items():
            if not path.exists():
                write_whole(path, data)


def _renamed(frames: list[ComparedFrame]) -> tuple[ComparedFrame, ...]:
    members: dict[str, list[str]] = {}
    for each in frames:
        members.setdefault(each.group, []).append(each.frame)
    names = {
        group: f"clip-{hashlib.sha256(' '.join(digests).encode()).hexdigest()[:12]}"
        for group, digests in members.items()
    }
    return tuple(ComparedFrame(each.frame, each.mask, names[each.group], each.classes) for each in frames)
