"""The table of the arms in `sonoloop review`."""

from __future__ import annotations

import pytest
from rich.console import Console

from cli.review import arms_table
from loop.arms import ArmFigures
from loop.records import Arm


@pytest.mark.parametrize(
    ("arm", "cells"),
    [
        ("sampler", ["3", "3", "33%", "0.700", "10.0"]),
        ("blind", ["1", "0", "–", "–", "40.0"]),
        ("none", ["1", "1", "100%", "1.000", "–"]),
    ],
)
def test_the_table_of_the_arms_says_what_is_unknown(arm: str, cells: list[str]) -> None:
    figures = [
        ArmFigures(Arm.SAMPLER, 3, 3, 1, 0.7, 10.0),
        ArmFigures(Arm.BLIND, 1, 0, 0, None, 40.0),
        ArmFigures(None, 1, 1, 1, 1.0, None),
    ]
    console = Console(width=100, color_system=None)
    with console.capture() as capture:
        console.print(arms_table(figures))
    rows = [line.split() for line in capture.get().splitlines()]
    assert [arm, *cells] in rows
