"""The report as files: CSV for a spreadsheet, Markdown for a document, JSON for a program."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from trainer.comparison.aggregate import Figure
from trainer.comparison.judge import Result
from trainer.comparison.published import PUBLISHED
from trainer.comparison.report import HEADINGS, NO_INTERVAL, SHOWN, Report, bracket, caption, share, signed
from trainer.comparison.statistic import STATISTICS, to_arrays
from trainer.durable import write_whole
from trainer.metrics import MEASURES, CalibrationBoard, Scoreboard, SurfaceBoard
from trainer.metrics.counts import class_mean
from trainer.metrics.summary import known

MORE = {
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "precision": "precision",
    "iou": "IoU",
    "hd95": "HD95, px",
    "assd": "ASSD, px",
    "ece": "ECE",
}


def write_report(report: Report, folder: Path) -> list[str]:
    """Write all of them and return their names. Raises OutOfSpace; each file is whole or as it was."""
    files = {
        "table.csv": table_csv(report),
        "frames.csv": frames_csv(report),
        "table.md": markdown(report),
        "report.json": json.dumps(to_dict(report), indent=1, allow_nan=False) + "\n",
    }
    for name, text in files.items():
        write_whole(folder / name, text.encode())
    return list(files)


def table_csv(report: Report) -> str:
    """One row a network and, of several classes, a class; each figure with its interval. A network without a
    result has a row of empty cells.
    """
    head = ["network", "class", "seeds", "parameters", "gmac", "ms_per_frame"]
    head += ["published_acc", "published_miou"]
    rows: list[list[Any]] = [head + [f"{name}{end}" for name in STATISTICS for end in ("", "_low", "_high")]]
    for each in report.networks:
        cost, published = report.costs[each.network], PUBLISHED.get(each.network, {})
        about: list[Any] = [cost.parameters, round(cost.gmac, 3), round(report.timing.ms[each.network], 2)]
        about += [published.get("acc", ""), published.get("miou", "")]
        seeds = len(report.of_network(each.network))
        parts = [("all", each.figures), *zip(report.protocol.classes, each.by_class, strict=False)]
        for name, figures in parts:
            numbers = [number for figure in figures.values() for number in _numbers(figure)]
            rows.append([each.network, name, seeds, *about, *numbers])
    rows += [[name, "all", 0, *[""] * (len(rows[0]) - 3)] for name in report.without_result]
    return _csv(rows)


def frames_csv(report: Report) -> str:
    """One row a held-out frame and run: for statistics of one's own; an empty cell is undefined."""
    distances = ("hd95", "assd", "hd95_worst", "assd_worst")
    rows: list[list[Any]] = [["network", "seed", "frame", "clip", *MEASURES, *distances]]
    for result in report.results:
        arrays = to_arrays(result.frames)
        columns = [arrays.of_frames(name) for name in MEASURES]
        columns += [class_mean(arrays.distances[name]) for name in distances]
        for place, frame in enumerate(result.frames):
            digest = report.protocol.frames[frame.number].frame
            values = [known(float(column[place])) for column in columns]
            rows.append([result.network, result.seed, digest, frame.group, *map(_rounded, values)])
    return _csv(rows)


def markdown(report: Report) -> str:
    """The table, the differences, all other measures and the words below them."""
    main = [["network", *HEADINGS.values(), "M parameters", "GMAC", "ms", "paper ACC", "paper mIoU"]]
    for each in report.networks:
        cost, published = report.costs[each.network], PUBLISHED.get(each.network, {})
        costs = [f"{cost.parameters / 1e6:.1f}", f"{cost.gmac:.1f}", f"{report.timing.ms[each.network]:.0f}"]
        theirs = [share(published.get(name)) for name in ("acc", "miou")]
        figures = [_cell(each.figures[name], share(each.figures[name].value)) for name in SHOWN]
        main.append([f"`{each.network}`", *figures, *costs, *theirs])
    main += [[f"`{name}`", "failed", *["–"] * (len(main[0]) - 2)] for name in report.without_result]
    parts = [_table(main), "\n".join(f"- {line}" for line in caption(report))]
    if report.differences:
        parts += [
            f"## Differences to `{report.differences[0].reference}`, in pairs",
            _table(_differences(report)),
        ]
    parts += ["## More measures", _table(_more(report))]
    if report.networks[0].by_class:
        parts += ["## By class, each against all else", _table(_by_class(report))]
    return "# Comparison of networks\n\n" + "\n\n".join(parts) + "\n"


def to_dict(report: Report) -> dict[str, Any]:
    """Everything in JSON's types: protocol, figures with intervals, differences, and each run's measures."""
    return {
        "protocol": report.protocol.to_dict(),
        "plan": asdict(report.plan),
        "caption": caption(report),
        "networks": [
            {
                "network": each.network,
                "seeds": [result.seed for result in report.of_network(each.network)],
                **asdict(report.costs[each.network]),
                "ms": report.timing.ms[each.network],
                "published": PUBLISHED.get(each.network),
                "figures": _plain(each.figures),
                "by_class": dict(zip(report.protocol.classes, map(_plain, each.by_class), strict=False)),
            }
            for each in report.networks
        ],
        "differences": [
            {"network": each.network, "reference": each.reference, "figures": _plain(each.figures)}
            for each in report.differences
        ],
        "timing": asdict(report.timing),
        "failures": [asdict(each) for each in report.failures],
        "not_reported": {network: list(seeds) for network, seeds in report.beside.items()},
        "runs": [_run(result) for result in report.results],
    }


def _run(result: Result) -> dict[str, Any]:
    board, surfaces, calibration = Scoreboard(), SurfaceBoard(), CalibrationBoard()
    for frame in result.frames:
        board.update(frame.counts, frame.group)
        surfaces.update(frame.surface)
        calibration.update(frame.bins)
    return {
        "network": result.network,
        "seed": result.seed,
        "digest": result.trained["digest"],
        "training": result.trained["metrics"],
        "scores": board.compute().to_dict(),
        "measures": {
            name: {"pooled": asdict(board.pooled(name)), "per_frame": asdict(board.per_frame(name))}
            for name in MEASURES
        },
        "clips": {
            name: {clip: each.value for clip, each in board.per_clip(name).items()}
            for name in ("acc", "miou", "dice")
        },
        "surface": asdict(surfaces.compute()),
        "calibration": asdict(calibration.compute()),
    }


def _differences(report: Report) -> list[list[str]]:
    rows = [["network", *HEADINGS.values()]]
    for each in report.differences:
        figures = [each.figures[name] for name in SHOWN]
        rows.append([f"`{each.network}`", *(_cell(f, signed(f.value), is_difference=True) for f in figures)])
    return rows


def _more(report: Report) -> list[list[str]]:
    head = ["network", *MORE.values()]
    rows = [
        [f"`{each.network}`", *(_number(name, each.figures[name]) for name in MORE)]
        for each in report.networks
    ]
    return [head, *rows]


def _by_class(report: Report) -> list[list[str]]:
    rows = [["network", "class", *HEADINGS.values(), "HD95, px"]]
    for each in report.networks:
        for name, figures in zip(report.protocol.classes, each.by_class, strict=True):
            cells = [_cell(figures[key], share(figures[key].value)) for key in SHOWN]
            rows.append([f"`{each.network}`", name, *cells, _number("hd95", figures["hd95"])])
    return rows


def _number(name: str, figure: Figure) -> str:
    if name not in ("hd95", "assd"):
        return _cell(figure, share(figure.value))
    if figure.value is None:
        return "–"
    if figure.low is None or figure.high is None:
        return f"{figure.value:.1f} {NO_INTERVAL}"
    return f"{figure.value:.1f} [{figure.low:.1f} {figure.high:.1f}]"


def _cell(figure: Figure, value: str, *, is_difference: bool = False) -> str:
    return f"{value} {bracket(figure, is_difference)}".strip()


def _table(rows: Sequence[Sequence[str]]) -> str:
    head, *body = rows
    lines = [head, ["---"] * len(head), *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _csv(rows: Iterable[Sequence[Any]]) -> str:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows(rows)
    return stream.getvalue()


def _numbers(figure: Figure) -> list[Any]:
    return [_rounded(each) for each in (figure.value, figure.low, figure.high)]


def _rounded(value: float | None) -> float | str:
    return "" if value is None else round(value, 6)


def _plain(figures: Any) -> dict[str, Any]:
    return {name: asdict(each) for name, each in figures.items()}
