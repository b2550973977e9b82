"""What the demo shows at its end: one row a round, as a table and as a learning curve."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table

from cli.markup import escape
from loop.masks import probs_to_mask
from loop.ports import Images, Segmenter
from loop.records import Frame
from trainer.metrics import Scores, count, score

Truth = Mapping[str, NDArray[np.bool_]]
"""Truth masks bool (C, H, W) by frame digest."""


HEADINGS = ("round", "model", "labels", "frames", "Dice", "mIoU", "ACC", "outcome", "accepted", "min")


@dataclass(frozen=True)
class RoundRow:
    """One row of the table: the model that came out of a round (round 0: the base weights).

    `gate` holds the scores on the `gate_frames` labelled held-out frames that the gate used (None for round
    0), `all_truth` those on every held-out frame, labelled or not; `accepted` is the share of this model's
    proposals that the reader took as they were (None: it proposed nothing, or nobody read it).
    """

    number: int
    version: str
    labels: int
    gate: Mapping[str, Any] | None
    gate_frames: int
    all_truth: Scores
    outcome: str
    reason: str
    accepted: float | None
    seconds: float


def evaluate(
    segmenter: Segmenter | None,
    frames: Sequence[Frame],
    images: Images,
    truth: Truth,
    on_frame: Callable[[], None] = lambda: None,
) -> Scores:
    """Score a model on frames whose truth is known; frames without truth are left out.

    No frame, or no model (None), gives empty scores.
    """
    if segmenter is None:
        return score([])
    counts = []
    for frame in frames:
        if frame.digest in truth:
            mask = probs_to_mask(segmenter.predict(images.read(frame)))
            counts.append(count(mask, truth[frame.digest]))
            on_frame()
    return score(counts)


def gate_dice(row: RoundRow) -> float | None:
    """Mean Dice on the gate's frames, pairs of empty masks left out as in `all_truth.dice_mean`; the verdict
    itself counts such a pair as 1.
    """
    by_class = [each for each in (row.gate or {}).get("dice_by_class", ()) if each is not None]
    return float(np.mean(by_class)) if by_class else None


def render_table(rows: Sequence[RoundRow]) -> Group:
    """The rounds as a table for the terminal, two lines each, and why each verdict fell as it did."""
    title = "Rounds, measured on held-out frames"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for heading in HEADINGS:
        is_word = heading in ("model", "frames", "outcome")
        table.add_column(heading, justify="left" if is_word else "right", no_wrap=True)
    for row in rows:
        for line in _lines(row):
            table.add_row(*line)
    reasons = (f"round {row.number}, {row.version}: {row.reason}" for row in rows)
    notes = "Dice: per frame, pairs of empty masks left out; mIoU and ACC: all pixels pooled"
    return Group(table, *map(escape, reasons), notes, "")


def _lines(row: RoundRow) -> Iterator[tuple[str, ...]]:
    """The round on the frames that its gate used, if there were any, and on all held-out truth."""
    head = str(row.number), row.version, str(row.labels)
    accepted = "–" if row.accepted is None else f"{row.accepted:.0%}"
    tail = row.outcome, accepted, f"{row.seconds / 60:.1f}"
    truth = row.all_truth
    everything = f"all {truth.frames}", *map(_number, (truth.dice_mean, truth.miou, truth.acc))
    if row.gate is None:
        yield (*head, *everything, *tail)
        return
    figures = gate_dice(row), row.gate.get("miou"), row.gate.get("acc")
    yield (*head, f"gate {row.gate_frames}", *map(_number, figures), *tail)
    yield ("", "", "", *everything, "", "", "")


def save_rows(rows: Sequence[RoundRow], path: Path) -> None:
    """Write the rows as JSON, for a researcher's own plots."""
    path.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n", encoding="utf-8")


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
