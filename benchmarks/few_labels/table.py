"""The table: mean Dice by variant and number of labels, and the paired difference to the first variant."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

DRAWS = 2000
Row = Mapping[str, Any]


def print_table(rows: Sequence[Row], stage: str) -> None:
    """Frames with a vessel only; in brackets 95 % of the differences when frames are drawn anew."""
    rows = [row for row in rows if row["trial"]["stage"] == stage]
    counts = sorted({row["trial"]["labels"] for row in rows})
    names = list(dict.fromkeys(row["trial"]["variant"] for row in rows))
    shares = sorted({share for row in rows for share in row["dice"]})
    table = Table(title=f"{stage}: mean Dice of frames with a vessel, and the difference to {names[0]}")
    table.add_column("recipe")
    table.add_column("share of the base")
    for labels in counts:
        table.add_column(f"{labels} labels")
        table.add_column("difference")
    for name in names:
        for share in shares:
            cells = [cell for n in counts for cell in _cells(rows, name, share, names[0], n)]
            if any(cells):
                table.add_row(name, share, *cells)
    Console(width=60 + 40 * len(counts)).print(table)


def _cells(rows: Sequence[Row], name: str, share: str, first: str, labels: int) -> list[str]:
    own = by_frame(rows, name, labels, share)
    if not own:
        return ["", ""]
    return [f"{np.mean(list(own.values())):.3f}", paired(own, by_frame(rows, first, labels, "0"))]


def by_frame(rows: Sequence[Row], name: str, labels: int, share: str) -> dict[str, float]:
    """Mean over the seeds of each frame's Dice, frames with a vessel only."""
    found: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        trial = row["trial"]
        if trial["variant"] == name and trial["labels"] == labels:
            for frame, dice in row["dice"].get(share, {}).items():
                if row["has_vessel"][frame]:
                    found[frame].append(dice)
    return {frame: float(np.mean(values)) for frame, values in found.items()}


def paired(own: Mapping[str, float], other: Mapping[str, float]) -> str:
    """Mean difference over the frames that both have, with its interval."""
    both = sorted(own.keys() & other.keys())
    differences: NDArray[np.float64] = np.array([own[frame] - other[frame] for frame in both])
    if not len(differences) or not differences.any():
        return ""
    if len(both) < 2:
        return f"{differences.mean():+.3f} (–)"  # every drawing would be the same
    draws = np.random.default_rng(0).integers(0, len(both), (DRAWS, len(both)))
    low, high = np.quantile(differences[draws].mean(axis=1), [0.025, 0.975])
    return f"{differences.mean():+.3f} ({low:+.3f} to {high:+.3f})"
