"""Whoever is refused is told what to do: got, need and a way out, in every error of the trainer."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

TRAINER = Path(__file__).resolve().parents[3] / "trainer"
REFUSALS = {"BadRequest", "BadWeights", "BadInput", "BadFrame", "BadMask"}
FILLERS = ("mend it", "fix it", "try again", "check the input")


def refusals(path: Path) -> list[ast.Call]:
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    return [call for call in calls if isinstance(call.func, ast.Name) and call.func.id in REFUSALS]


@pytest.mark.parametrize(
    "path", sorted(TRAINER.rglob("*.py")), ids=lambda path: str(path.relative_to(TRAINER))
)
def test_every_refusal_says_what_to_do(path: Path) -> None:
    for call in refusals(path):
        assert len(call.args) >= 3, f"line {call.lineno}: got, need and what to do"
        todo = call.args[2]
        if isinstance(todo, ast.Constant):
            assert todo.value not in ("", *FILLERS), f"line {call.lineno}"


def test_the_refusals_are_found() -> None:
    assert sum(len(refusals(path)) for path in TRAINER.rglob("*.py")) > 60
