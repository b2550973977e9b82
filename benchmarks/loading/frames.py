"""Small frames in clips, drawn on the fly, with the truth that the simulated readers know."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import cv2

from loop.frames import frame_digest
from loop.masks import Mask
from tests.discs import draw_disc

SIDE = 96
FRAMES_PER_CLIP = 25


class DiscTruth(Mapping[str, Mask]):
    """Masks bool (1, H, W) by frame digest; drawn anew when asked for, so that 100,000 take no memory."""

    def __init__(self, seed_of: Mapping[str, int]) -> None:
        self.seed_of = seed_of

    def __getitem__(self, digest: str) -> Mask:
        return draw_disc(self.seed_of[digest], SIDE, SIDE)[1]

    def __iter__(self) -> Iterator[str]:
        return iter(self.seed_of)

    def __len__(self) -> int:
        return len(self.seed_of)


def draw_frames(folder: Path, count: int) -> DiscTruth:
    """Write `count` PNG files of 96 px into `folder`, a sub-folder a clip; gives their truth."""
    seed_of: dict[str, int] = {}
    for seed in range(count):
        _path(folder, seed).parent.mkdir(parents=True, exist_ok=True)
        image, _ = draw_disc(seed, SIDE, SIDE)
        cv2.imwrite(str(_path(folder, seed)), image)
        seed_of[frame_digest(image)] = seed
    return DiscTruth(seed_of)


def link_frames(folder: Path, truth: DiscTruth, target: Path) -> None:
    """Put the drawn files under their digests, where Label Studio serves them from."""
    target.mkdir(parents=True, exist_ok=True)
    for digest, seed in truth.seed_of.items():
        (target / f"{digest}.png").hardlink_to(_path(folder, seed))


def _path(folder: Path, seed: int) -> Path:
    return folder / f"clip{seed // FRAMES_PER_CLIP:05d}" / f"{seed % FRAMES_PER_CLIP:03d}.png"
