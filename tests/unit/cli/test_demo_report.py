from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from cli.demo_report import RoundRow, evaluate, render_table, save_rows
from trainer.metrics import count, score

TRUTH = np.zeros((1, 8, 8), np.bool_)
TRUTH[0, 2:6, 2:6] = True
SHIFTED = np.roll(TRUTH, 2, axis=2)
BASE = RoundRow(0, "p1-v0", 0, None, 0, score([]), "served", "base weights: phantoms", None, 0.0)
FIRST = RoundRow(
    number=1,
    version="p1-v1",
    labels=20,
    gate={"dice": 0.8, "dice_by_class": [0.75, None], "miou": 0.6, "acc": None},
    gate_frames=6,
    all_truth=score([count(SHIFTED, TRUTH)]),
    outcome="promoted",
    reason="P = 0.93",
    accepted=0.25,
    seconds=90.0,
)


def shown(*rows: RoundRow) -> list[str]:
    console = Console(width=80, color_system=None)
    with console.capture() as capture:
        console.print(render_table(rows))
    return capture.get().splitlines()


def test_a_round_shows_its_gate_above_all_truth_and_a_dash_for_what_is_unknown() -> None:
    lines = shown(BASE, FIRST)
    base, gate, everything = ([*filter(None, line.split())] for line in lines[4:7])
    assert base == ["0", "p1-v0", "0", "all", "0", "–", "–", "–", "served", "–", "0.0"]
    assert gate == ["1", "p1-v1", "20", "gate", "6", "0.750", "0.600", "–", "promoted", "25%", "1.5"]
    assert everything[:3] == ["all", "1", "0.500"]
    assert "round 1, p1-v1: P = 0.93" in lines


def test_without_a_model_nothing_is_measured() -> None:
    class NoImages:
        def read(self, frame: object) -> NDArray[np.uint8]:
            raise AssertionError("no frame is read")

    assert evaluate(None, [], NoImages(), {}).dice_mean is None


def test_the_rows_are_saved_for_plots_of_ones_own(tmp_path: Path) -> None:
    save_rows([BASE, FIRST], tmp_path / "rounds.json")
    assert json.loads((tmp_path / "rounds.json").read_text())[1] == json.loads(json.dumps(asdict(FIRST)))
