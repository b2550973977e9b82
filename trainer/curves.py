"""Pictures for people: the learning curve over the rounds, and a sheet of frames with their outlines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from loop.masks import Mask, union

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TRUTH, PREDICTION = (60, 200, 60), (235, 60, 50)
"""Green and red, RGB."""
CELL = 256


@dataclass(frozen=True)
class CurvePoint:
    """One round: trainable labels it had, mean Dice on the gate's frames and on all held-out truth (None:
    unknown).
    """

    round: int
    labels: int
    dice_gate: float | None
    dice_all: float | None
    is_promoted: bool


def draw_learning_curve(points: Sequence[CurvePoint], path: Path, title: str = "Learning curve") -> None:
    """Write Dice against labels as a PNG: filled points were promoted, hollow ones kept out. No points: an
    empty plot.
    """
    figure, axes = _figure()
    everything, gate = [point.dice_all for point in points], [point.dice_gate for point in points]
    _draw_line(axes, points, everything, "all held-out truth", "#1b7837", below=True)
    _draw_line(axes, points, gate, "frames of the gate", "#762a83", below=False)
    axes.plot([], [], "o", mec="grey", mfc="white", label="not promoted")
    axes.set(title=title, xlabel="labelled frames", ylabel="mean Dice", ylim=(0, 1))
    axes.set_xticks(sorted({point.labels for point in points}))
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    figure.savefig(path, dpi=120, format="png")


def draw_sheet(
    frames: Sequence[tuple[NDArray[np.uint8], Mask | None, Mask | None]], path: Path, columns: int = 4
) -> None:
    """Write frames with outlines as one PNG: (grey uint8 (H, W), truth, prediction), masks bool (C, H, W)
    or None.

    Truth is green, prediction red. No frames: one black cell.
    """
    cells = [_cell(*frame) for frame in frames] or [np.zeros((CELL, CELL, 3), np.uint8)]
    while len(cells) % columns:
        cells.append(np.zeros_like(cells[0]))
    rows = [np.hstack(cells[start : start + columns]) for start in range(0, len(cells), columns)]
    _, data = cv2.imencode(".png", np.vstack(rows)[..., ::-1])
    path.write_bytes(data.tobytes())


def _cell(image: NDArray[np.uint8], truth: Mask | None, prediction: Mask | None) -> NDArray[np.uint8]:
    scale = CELL / max(image.shape)
    size = (round(image.shape[1] * scale), round(image.shape[0] * scale))
    small = cv2.cvtColor(cv2.resize(image, size, interpolation=cv2.INTER_AREA), cv2.COLOR_GRAY2RGB)
    for mask, colour in ((truth, TRUTH), (prediction, PREDICTION)):
        if mask is not None:
            plane = cv2.resize(union(mask).astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
            outlines, _ = cv2.findContours(plane, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
            cv2.drawContours(small, outlines, -1, colour, 1)
    cell = np.zeros((CELL, CELL, 3), np.uint8)
    cell[: size[1], : size[0]] = small
    return cell


def _figure() -> tuple[Figure, Axes]:
    """Make a figure without pyplot, which would keep it, and pick a window system, for ever."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot()


def _draw_line(
    axes: Axes,
    points: Sequence[CurvePoint],
    values: Sequence[float | None],
    label: str,
    colour: str,
    below: bool,
) -> None:
    """Draw one line; its numbers stand below or above it, out of the way of the other's."""
    known = [(point, value) for point, value in zip(points, values, strict=True) if value is not None]
    axes.plot([p.labels for p, _ in known], [v for _, v in known], color=colour, label=label, lw=1.5)
    offset = (0, -15) if below else (0, 7)
    for point, value in known:
        face = colour if point.is_promoted else "white"
        axes.plot(point.labels, value, "o", mec=colour, mfc=face)
        axes.annotate(
            f"{value:.2f}",
            (point.labels, value),
            offset,
            textcoords="offset points",
            ha="center",
            size=8,
            color=colour,
        )
