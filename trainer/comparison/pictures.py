"""The report as pictures: training curves, reliability, and a sheet of frames with what was drawn on them."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trainer.comparison.choice import RULE, choose_frames
from trainer.comparison.outlines import outline_legend, show_drawn, show_truth
from trainer.comparison.report import Report, share
from trainer.comparison.statistic import to_arrays
from trainer.metrics import CalibrationBoard
from trainer.metrics.counts import class_mean

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Told apart by colour-blind people too (Okabe & Ito 2008); lines differ in their dashes as well."""
DASHES: tuple[Any, ...] = (
    "-",
    (0, (6, 2)),
    (0, (2, 2)),
    (0, (6, 2, 1, 2)),
    (0, (1, 1)),
    (0, (9, 3)),
    (0, (3, 1)),
)
CELL_INCHES, DPI = 2.3, 130
Read = Callable[[int], tuple[NDArray[np.uint8], NDArray[np.bool_]]]
"""Picture uint8 (H, W) and truth bool (C, H, W) of a frame by its number."""
ReadDrawn = Callable[[str, int], NDArray[np.bool_]]
"""What a network drew (with the first seed that has a result) on the frame of that number, bool (C, H, W)."""


def draw_curves(losses: Mapping[str, Sequence[Sequence[tuple[int, float]]]], path: Path) -> None:
    """Write training loss against epoch: a line a network, its seeds' lines pale behind; `losses` holds
    (epoch, loss) of each seed. No epoch: an empty plot.
    """
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    figure, axes = _figure(7.5, 4.6)
    for place, (network, seeds) in enumerate(losses.items()):
        style = line_style(place)
        for points in seeds if len(seeds) > 1 else ():
            axes.plot(*_columns(points), lw=0.8, alpha=0.35, **style)
        axes.plot(*_columns(_mean_curve(seeds)), lw=2, label=network, marker=".", **style)
    axes.set(
        title="Training loss", xlabel="epoch", ylabel="loss (mean of the epoch, log scale)", yscale="log"
    )
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    for formatted in (axes.yaxis.set_major_formatter, axes.yaxis.set_minor_formatter):
        formatted(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.grid(alpha=0.3, which="both", lw=0.5)
    _legend(axes, bool(losses))
    figure.savefig(path, dpi=DPI, format="png")


def draw_reliability(report: Report, path: Path) -> None:
    """Write share against probability, all seeds of a network together; the diagonal is perfect."""
    figure, axes = _figure(5.6, 5.2)
    axes.plot([0, 1], [0, 1], color="grey", lw=1, label="perfectly calibrated")
    for place, network in enumerate(report.judged):
        board = CalibrationBoard()
        for result in report.of_network(network):
            for frame in result.frames:
                board.update(frame.bins)
        curve = board.compute()
        for number, (probability, part) in enumerate(zip(curve.probability, curve.share, strict=True)):
            known = [
                (p, s) for p, s in zip(probability, part, strict=True) if p is not None and s is not None
            ]
            axes.plot(
                *_columns(known),
                **line_style(place, number),
                marker="os^Dv"[number % 5],
                ms=4,
                label=_class_label(report, network, number, curve.ece_by_class[number]),
            )
    axes.set(
        title="Reliability", xlabel="mean probability", ylabel="share of pixels", xlim=(0, 1), ylim=(0, 1)
    )
    axes.grid(alpha=0.3)
    _legend(axes, has_lines=True)
    figure.savefig(path, dpi=DPI, format="png")


def draw_sheet(report: Report, read: Read, read_drawn: ReadDrawn, path: Path) -> None:
    """Write frames by `choice.RULE`, a row each: the frame, its truth, and what each network drew with the
    first seed, with its Dice there. Truth is a solid blue outline, what was drawn a dashed orange one; of
    several classes each has its colour, truth is filled with it and what was drawn outlined.
    """
    places = choose_frames(mean_dice(report), _is_empty(report))
    columns = 2 + len(report.judged)
    figure = _blank(CELL_INCHES * columns, CELL_INCHES * max(1, len(places)) + 1.0)
    grid = figure.subplots(max(1, len(places)), columns, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    names = [_column_name(report, network) for network in report.judged]
    for column, name in enumerate(["frame", "truth", *names]):
        grid[0, column].set_title(name, size=10, weight="bold")
    for row, place in zip(grid, places, strict=False):
        _draw_row(row, report, place, read, read_drawn)
    _explain(figure, report)
    figure.savefig(path, dpi=DPI, format="png")


def _column_name(report: Report, network: str) -> str:
    """In lines as wide as a column, with the seed where it is not the first."""
    seed = report.first_seed(network)
    return "\n".join([*textwrap.wrap(network, 22), *([f"seed {seed}"] if seed else [])])


def mean_dice(report: Report) -> NDArray[np.float64]:
    """Dice of each held-out frame, float64 (N,): mean over networks and seeds; NaN where none defines it."""
    each = [_frame_dice(report, result.network, result.seed) for result in report.results]
    return class_mean(np.stack(each, axis=1))


def _draw_row(row: Any, report: Report, place: int, read: Read, read_drawn: ReadDrawn) -> None:
    number = report.results[0].frames[place].number
    image, truth = read(number)
    for axes in row:
        axes.imshow(image, cmap="gray", vmin=0, vmax=255, interpolation="antialiased")
    digest = report.protocol.frames[number].frame
    _note(row[0], digest[:8], "white")
    show_truth(row[1], truth)
    for axes, network in zip(row[2:], report.judged, strict=True):
        show_truth(axes, truth)
        show_drawn(axes, read_drawn(network, number))
        dice = float(_frame_dice(report, network, report.first_seed(network))[place])
        _note(axes, "both empty" if np.isnan(dice) else f"Dice {share(dice)}", "white")


def line_style(place: int, number: int = 0) -> dict[str, Any]:
    """Of the network at that place, and its class of that number: no two of 49 look alike."""
    dashes = place + place // len(COLOURS) + number
    return {"color": COLOURS[place % len(COLOURS)], "ls": DASHES[dashes % len(DASHES)]}


def _note(axes: Axes, text: str, colour: str) -> None:
    box = {"facecolor": "black", "alpha": 0.65, "pad": 1.5, "edgecolor": "none"}
    axes.text(0.02, 0.03, text, transform=axes.transAxes, size=8.5, color=colour, bbox=box)


def _explain(figure: Figure, report: Report) -> None:
    handles = outline_legend(report.protocol.classes)
    figure.legend(handles=handles, loc="outside upper left", ncols=len(handles), frameon=False, fontsize=10)
    width = max(60, 32 * (2 + len(report.judged)))
    absent = report.without_result
    missing = f" Without a result, so not here: {', '.join(absent)}." if absent else ""
    figure.supxlabel(textwrap.fill(RULE + missing, width), fontsize=8.5, ha="left", x=0.01)


def _frame_dice(report: Report, network: str, seed: int) -> NDArray[np.float64]:
    result = next(each for each in report.results if (each.network, each.seed) == (network, seed))
    return to_arrays(result.frames).of_frames("dice")


def _is_empty(report: Report) -> list[bool]:
    numbers = [frame.number for frame in report.results[0].frames]
    return [not any(report.protocol.frames[number].classes) for number in numbers]


def _class_label(report: Report, network: str, number: int, ece: float | None) -> str:
    classes = [each.replace("$", r"\$") for each in report.protocol.classes]
    name = f" {classes[number]}" if len(classes) > 1 else ""
    return f"{network}{name} (ECE {'–' if ece is None else f'{ece:.4f}'})"


def _mean_curve(seeds: Sequence[Sequence[tuple[int, float]]]) -> list[tuple[int, float]]:
    by_epoch: dict[int, list[float]] = {}
    for epoch, loss in (point for points in seeds for point in points):
        by_epoch.setdefault(epoch, []).append(loss)
    return [(epoch, sum(each) / len(each)) for epoch, each in sorted(by_epoch.items())]


def _columns(points: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [x for x, _ in points], [y for _, y in points]


def _legend(axes: Axes, has_lines: bool) -> None:
    if has_lines:
        axes.legend(fontsize=9)


def _blank(width: float, height: float) -> Figure:
    """Make a figure without pyplot, which would keep it, and pick a window system, for ever."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    figure = _blank(width, height)
    return figure, figure.add_subplot()
