"""Which frames teach and which judge."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

FOLDS = 5
SEED = 20
INNER = 40
"""Frames of a fold's pool that judge while a recipe is chosen; those of the fold itself judge at the end."""
AGAIN = {"0077"}
"""In usgra the same picture as 0043."""

Grey = NDArray[np.uint8]


@dataclass(frozen=True)
class Frame:
    """A picture with its index mask."""

    number: int
    image: Path
    mask: Path

    def truth(self, value: int) -> NDArray[np.bool_]:
        """Where the mask has `value`, bool (1, H, W)."""
        indices = cv2.imread(str(self.mask), cv2.IMREAD_UNCHANGED)
        if indices is None:
            raise FileNotFoundError(self.mask)
        return np.asarray(indices == value)[None]

    def picture(self) -> Grey:
        """Uint8 (H, W)."""
        found = cv2.imread(str(self.image), cv2.IMREAD_UNCHANGED)
        if found is None:
            raise FileNotFoundError(self.image)
        return np.asarray(found, np.uint8)


@dataclass(frozen=True)
class Division:
    """`pool` in the order in which labels are given, and the frames that judge."""

    pool: tuple[Frame, ...]
    judging: tuple[Frame, ...]


def read_frames(folder: Path) -> list[Frame]:
    """All frames of `folder/images` with masks of their names in `folder/masks`."""
    paths = [path for path in sorted((folder / "images").glob("*.png")) if path.stem not in AGAIN]
    return [Frame(number, path, folder / "masks" / path.name) for number, path in enumerate(paths)]


def divide(frames: list[Frame], fold: int, is_choosing: bool) -> Division:
    """One of the folds; while a recipe is chosen its own frames are left out altogether."""
    order = np.random.default_rng(SEED).permutation(len(frames))
    own = {int(index) for index in order[fold::FOLDS]}
    shuffled = np.random.default_rng([SEED, fold]).permutation(order)
    pool = [frames[int(index)] for index in shuffled if int(index) not in own]
    if is_choosing:
        return Division(tuple(pool[INNER:]), tuple(pool[:INNER]))
    return Division(tuple(pool), tuple(frames[index] for index in sorted(own)))
