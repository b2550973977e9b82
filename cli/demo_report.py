"""What the demo shows at its end: one row a round, as a table and as a learning curve."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from loop.masks import probs_to_mask
from loop.ports import Images, Segmenter
from loop.records import Frame
from trainer.metrics import Scores, count, score

Truth = Mapping[str, NDArray[np.bool_]]
"""Truth masks bool (C, H, W) by frame digest."""


@dataclass(frozen=True)
class RoundRow:
    """One row of the table: the model that came out of a round (round 0: the base weights).

    `gate` holds the scores on the labelled held-out frames that the gate used (None for round 0), `all_truth`
    those on every held-out frame, labelled or not; `accepted` is the share of this model's proposals that the
    reader took as they were (None: it proposed nothing, or nobody read it).
    """

    number: int
    version: str
    labels: int
    gate: Mapping[str, float | None] | None
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


def render_table(rows: Sequence[RoundRow]) -> Table:
    """The rounds as a table for the terminal."""
    table = Table(
        title="Rounds (Dice, mIoU, ACC: frames of the gate | all held-out truth)", title_justify="left"
    )
    for heading in ("round", "model", "labels", "Dice", "mIoU", "ACC", "outcome", "accepted", "min"):
        table.add_column(heading, justify="left" if heading in ("model", "outcome") else "right")
    for row in rows:
        table.add_row(
            str(row.number),
            row.version,
            str(row.labels),
            _pair(row, "dice", "dice_mean"),
            _pair(row, "miou", "miou"),
            _pair(row, "acc", "acc"),
            f"{row.outcome}: {row.reason}",
            "–" if row.accepted is None else f"{row.accepted:.0%}",
            f"{row.seconds / 60:.1f}",
        )
    return table


def save_rows(rows: Sequence[RoundRow], path: Path) -> None:
    """Write the rows as JSON, for a researcher's own plots."""
    path.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n", encoding="utf-8")


def _pair(row: RoundRow, gate_name: str, truth_name: str) -> str:
    gate = row.gate.get(gate_name) if row.gate else None
    return f"{_number(gate)} | {_number(getattr(row.all_truth, truth_name))}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
