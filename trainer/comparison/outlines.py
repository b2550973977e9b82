"""Truth and what a network drew, upon a frame: as two lines, or class by class where there are several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TRUTH, DRAWN = "#56B4E9", "#E69F00"
ON_BLACK = ("#56B4E9", "#E69F00", "#009E73", "#CC79A7", "#F0E442", "#D55E00")
"""Of the classes, where there are several: those of the same palette that can be seen on a dark frame."""
DASHES = ("-", "--", ":")


def show_truth(axes: Axes, truth: NDArray[np.bool_]) -> None:
    """Bool (C, H, W): one class as a solid line, several as areas, each in its colour."""
    if len(truth) == 1:
        _outline(axes, truth[0], TRUTH, "-")
    for number, plane in enumerate(truth if len(truth) > 1 else ()):
        _outline(axes, plane, _class_colour(number), None)
    height, width = truth.shape[1:]
    axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))


def show_drawn(axes: Axes, drawn: NDArray[np.bool_]) -> None:
    """Bool (C, H, W): one class as a dashed line, several as lines, each in its colour."""
    if len(drawn) == 1:
        _outline(axes, drawn[0], DRAWN, "--")
    for number, plane in enumerate(drawn if len(drawn) > 1 else ()):
        _outline(axes, plane, _class_colour(number), DASHES[number // len(ON_BLACK) % len(DASHES)])


def _outline(axes: Axes, plane: NDArray[np.bool_], colour: str, dashes: Any) -> None:
    """One class, as a line, or with no `dashes` as an area that the picture shines through."""
    if not plane.any():
        return
    framed = np.pad(plane, 1).astype(float)  # an outline along the edge of the frame is drawn too
    at = (np.arange(framed.shape[1]) - 1, np.arange(framed.shape[0]) - 1)
    if dashes is None:
        axes.contourf(*at, framed, levels=[0.5, 1.5], colors=[colour], alpha=0.45)
    else:
        axes.contour(*at, framed, levels=[0.5], colors=[colour], linewidths=1.7, linestyles=[dashes])


def _class_colour(number: int) -> str:
    return ON_BLACK[number % len(ON_BLACK)]


def outline_legend(classes: Sequence[str]) -> list[Any]:
    """What explains the lines and areas, as handles of matplotlib's."""
    return _legend_of_several(classes) if len(classes) > 1 else _legend_of_one()


def _legend_of_one() -> list[Any]:
    from matplotlib.lines import Line2D

    drawn = "drawn by the network (first seed)"
    return [
        Line2D([], [], color=TRUTH, lw=1.7, label="truth"),
        Line2D([], [], color=DRAWN, lw=1.7, ls="--", label=drawn),
    ]


def _legend_of_several(classes: Sequence[str]) -> list[Any]:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    names = [
        Patch(facecolor=_class_colour(number), label=name.replace("$", r"\$"))
        for number, name in enumerate(classes)
    ]
    kinds = [
        Patch(facecolor="grey", alpha=0.45, label="filled: truth"),
        Line2D([], [], color="grey", lw=1.7, label="line: drawn by the network (first seed)"),
    ]
    return [*names, *kinds]
