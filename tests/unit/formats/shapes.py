"""Shapes that a careless exporter loses: small discs, rings, two blobs, single pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

HEIGHT, WIDTH = 100, 120
Plane = NDArray[np.bool_]


def disc(radius: float, row: float = 50, column: float = 60) -> Plane:
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    return np.asarray((rows - row) ** 2 + (columns - column) ** 2 <= radius**2, dtype=np.bool_)


def pixel(row: int, column: int) -> Plane:
    plane = np.zeros((HEIGHT, WIDTH), dtype=np.bool_)
    plane[row, column] = True
    return plane


def single_class_shapes() -> dict[str, Plane]:
    shapes = {f"disc of radius {radius}": disc(radius) for radius in (5, 8, 12, 20, 30, 40)}
    shapes |= {f"ring of radius {radius}": disc(radius) & ~disc(radius - 3) for radius in (5, 12, 40)}
    shapes["two blobs"] = disc(9, 30, 30) | disc(6, 70, 90)
    shapes["two blobs that touch at a corner"] = pixel(10, 10) | pixel(11, 11)
    shapes["a single pixel"] = pixel(50, 60)
    shapes["a pixel in each corner"] = pixel(0, 0) | pixel(0, -1) | pixel(-1, 0) | pixel(-1, -1)
    shapes["a disc over the edge"] = disc(30, 0, 0)
    shapes["noise"] = np.random.default_rng(0).random((HEIGHT, WIDTH)) < 0.3
    shapes["nothing"] = np.zeros((HEIGHT, WIDTH), dtype=np.bool_)
    shapes["everything"] = np.ones((HEIGHT, WIDTH), dtype=np.bool_)
    return shapes
