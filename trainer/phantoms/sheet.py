"""A sheet of phantoms with their masks outlined: `python -m trainer.phantoms.sheet PATH.png`."""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from trainer.phantoms.clip import draw_clip
from trainer.phantoms.scanner import DEMO_SCANNER, Scanner, blend_scanners

_TILE_PX = 208
_GAP_PX = 6
_COLOURS = {1: (235, 160, 60), 2: (70, 70, 235)}
"""Blue for veins and red for arteries, in OpenCV's order."""


def draw_sheet(path: Path, seed: int, columns: int = 6) -> None:
    """Write a sheet to `path`: three rows of pretraining phantoms, one of the demo's scanner, one clip."""
    singles = [_tile(seed + k, blend_scanners(np.random.default_rng([seed, k]))) for k in range(3 * columns)]
    demo = [_tile(seed + 100 + k, DEMO_SCANNER) for k in range(columns)]
    clip = draw_clip(seed + 200, columns)
    moving = [_outlined(image, mask) for image, mask in zip(clip.images, clip.masks, strict=True)]
    tiles = singles + demo + moving
    rows = [np.hstack(tiles[start : start + columns]) for start in range(0, len(tiles), columns)]
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.vstack(rows), [cv2.IMWRITE_PNG_COMPRESSION, 9])


def _tile(seed: int, scanner: Scanner) -> NDArray[np.uint8]:
    clip = draw_clip(seed, 1, scanner=scanner)
    return _outlined(clip.images[0], clip.masks[0])


def _outlined(image: NDArray[np.uint8], mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    picture = np.repeat(image[..., None], 3, axis=2)
    for index, colour in _COLOURS.items():
        inside = mask == index
        picture[inside & ~ndimage.binary_erosion(inside, iterations=2)] = colour
    small = cv2.resize(picture, (_TILE_PX, _TILE_PX), interpolation=cv2.INTER_AREA)
    return np.asarray(np.pad(small, ((0, _GAP_PX), (0, _GAP_PX), (0, 0)), constant_values=255), np.uint8)


def main() -> None:
    """Parse the command line and write the sheet."""
    parser = argparse.ArgumentParser(description="Draw a sheet of phantoms.")
    parser.add_argument("path", type=Path)
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    draw_sheet(arguments.path, arguments.seed)


if __name__ == "__main__":
    main()
