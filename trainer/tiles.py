"""Tiles of a picture: where they lie, how they are cut, and how their answers become one without a seam.

Where tiles overlap they are blended by halves of Hann's window over the whole overlap: with an overlap of one
half every inner tile has Hann's window. The weight of a tile falls to nothing at its edge, where a network
knows least, and is the product of one factor for the rows and one for the columns. Gaussian importance maps
that are cut off at a least value are no such product where they are small: they show the tiles along the
picture's edge.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Probs = NDArray[np.float32]
Picture = NDArray[np.uint8]
Item = TypeVar("Item")


@dataclass(frozen=True)
class Grid:
    """Tiles of side x side px on a picture of (height, width) px: one at each of `rows` by each of `columns`,
    px of the upper left corner. Where the picture is smaller than a tile, the tile reaches beyond it.
    """

    height: int
    width: int
    side: int
    rows: tuple[int, ...]
    columns: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.rows) * len(self.columns)

    @property
    def corners(self) -> list[tuple[int, int]]:
        """(y, x) of every tile, row by row: the order in which they are cut and stitched."""
        return [(y, x) for y in self.rows for x in self.columns]

    @property
    def shown(self) -> tuple[int, int]:
        """Rows and columns of a tile that show the picture; the rest is padding."""
        return min(self.side, self.height), min(self.side, self.width)


def lay_grid(height: int, width: int, side: int, overlap: float) -> Grid:
    """As few tiles as cover the picture with each overlapping the next by `overlap` of its side or more."""
    rows, columns = (_starts(length, side, overlap) for length in (height, width))
    return Grid(height, width, side, rows, columns)


def cut(picture: Picture, y: int, x: int, side: int) -> Picture:
    """One tile, uint8 (side, side), of uint8 (H, W), black beyond the picture."""
    tile = np.zeros((side, side), np.uint8)
    part = picture[y : y + side, x : x + side]
    tile[: part.shape[0], : part.shape[1]] = part
    return tile


def cut_all(picture: Picture, grid: Grid) -> Iterator[Picture]:
    """Every tile of the grid in the order of its corners."""
    return (cut(picture, y, x, grid.side) for y, x in grid.corners)


def stitch(answers: Iterable[Probs], grid: Grid) -> Probs:
    """Blend probabilities float32 (C, side, side), one a tile in the order of the corners, to (C, H, W).

    A single tile is given back as it is, less its padding. Only the picture is kept in memory, not the tiles.
    """
    high, wide = grid.shown
    tiles = iter(answers)
    if len(grid) == 1:
        return next(tiles)[:, :high, :wide]
    down, across = (
        _weights(starts, grid.side, length)
        for starts, length in ((grid.rows, grid.height), (grid.columns, grid.width))
    )
    first = next(tiles)
    blended = np.zeros((len(first), grid.height, grid.width), np.float32)
    for number, ((y, x), tile) in enumerate(zip(grid.corners, chain([first], tiles), strict=True)):
        row, column = divmod(number, len(grid.columns))
        weights = down[row][:, None] * across[column]
        blended[:, y : y + high, x : x + wide] += weights * tile[:, :high, :wide]
    return np.clip(blended, 0, 1, out=blended)  # sums of rounded weights may pass 1 by a hair


def draw_corner(
    generator: np.random.Generator, indices: Picture, side: int, around_class: bool
) -> tuple[int, int]:
    """(y, x) of a random tile that lies within class indices uint8 (H, W), both sides at least `side`.

    With `around_class` it holds a pixel of a class, any of them equally likely, if there is one.
    """
    last = indices.shape[0] - side, indices.shape[1] - side
    found = np.flatnonzero(indices) if around_class else np.empty(0, np.int64)
    if not len(found):
        y, x = (int(generator.integers(0, most + 1)) for most in last)
        return y, x
    point = divmod(int(found[generator.integers(len(found))]), indices.shape[1])
    y, x = (
        int(generator.integers(max(0, at - side + 1), min(at, most) + 1))
        for at, most in zip(point, last, strict=True)
    )
    return y, x


def in_chunks(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Lists of `size` items, the last one shorter."""
    source = iter(items)
    while chunk := list(islice(source, size)):
        yield chunk


def _starts(length: int, side: int, overlap: float) -> tuple[int, ...]:
    rest = length - side
    if rest <= 0:
        return (0,)
    stride = max(1, side - math.ceil(overlap * side))
    steps = -(-rest // stride)
    return tuple(step * rest // steps for step in range(steps + 1))


def _weights(starts: tuple[int, ...], side: int, length: int) -> list[NDArray[np.float32]]:
    """For each start the weights of its pixels along one axis; at every pixel of it they add up to 1."""
    shown = min(side, length)
    windows = [np.ones(shown) for _ in starts]
    total = np.zeros(length)
    for number, (start, window) in enumerate(zip(starts, windows, strict=True)):
        if number:
            window *= _rise(shown, starts[number - 1] + side - start)
        if number + 1 < len(starts):
            window *= _rise(shown, start + side - starts[number + 1])[::-1]
        total[start : start + shown] += window
    pairs = zip(starts, windows, strict=True)
    return [(window / total[start : start + shown]).astype(np.float32) for start, window in pairs]


def _rise(length: int, overlap: int) -> NDArray[np.float64]:
    """Half of Hann's window over the overlap with a neighbour, then 1."""
    at = np.minimum((np.arange(length) + 0.5) / overlap, 1)
    return np.asarray(np.sin(np.pi / 2 * at) ** 2)
