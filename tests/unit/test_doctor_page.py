"""The page about the doctor shows what the doctor says: its checks in their order, and its words."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.environment import load_settings
from adapters.services import programs
from cli.doctor import advice
from cli.doctor.examine import all_checks
from cli.doctor.findings import State
from cli.doctor.installation import Installation
from db import known_revisions
from tests.services.homes import make_home

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "doctor.md").read_text(encoding="utf-8")
SAMPLE = PAGE.partition("```text\n")[2].partition("\n```")[0].splitlines()
STATE, NAME, TEXT = slice(0, 6), slice(6, 31), slice(31, None)
VALUES = {"/srv/sonoloop", "600", "redis stopped, backend stopped", "http://127.0.0.1:18080", "1.23.2"}
"""Texts that are a value and have no word of the doctor's own."""

FEWEST_LETTERS = 4
"""Of its own, in a saying: one of fewer would fit any text."""
SERVICES = {name: each for name, each in vars(programs).items() if name.isupper()}
"""By the names under which the doctor's code has them."""


def rows() -> list[tuple[str, str, str]]:
    """State, check and text of each finding in the sample; what is wrapped there is one line here."""
    found: list[list[str]] = []
    for line in SAMPLE[:-1]:
        if line[STATE].strip():
            found.append([line[STATE].strip(), line[NAME].strip(), line[TEXT]])
        else:
            found[-1][2] += f" {line[TEXT]}"
    return [(state, name, text) for state, name, text in found]


def sayings() -> Iterator[str]:
    """What the doctor's code can say, as patterns: any value may stand where it puts one."""
    for path in (ROOT / "cli" / "doctor").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            yield said(node)


def said(node: ast.AST) -> str:
    """The pattern of one expression; "" for one that says nothing, ".*" for what is not known here."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return re.escape(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(said(each) or ".*" for each in node.values)
    if isinstance(node, ast.BinOp):
        return "".join(said(each) or ".*" for each in (node.left, node.right))
    if isinstance(node, ast.Name) and isinstance(given := getattr(advice, node.id, None), advice.Advice):
        return re.escape(given.here)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return advised(node.func.id, node.args)
    return ""


def advised(name: str, given: list[ast.expr]) -> str:
    """What a function of the advice gives for those words, and for names of services."""
    words = [
        each.value if isinstance(each, ast.Constant) else SERVICES.get(ast.unparse(each)) for each in given
    ]
    is_known = name in ("see_log", "see_logs") and None not in words
    return re.escape(getattr(advice, name)(*words).here) if is_known else ""


SAYINGS = {each for each in sayings() if len(re.findall("[a-z]", each)) >= FEWEST_LETTERS}


def test_the_checks_are_those_of_a_home_in_their_order(tmp_path: Path) -> None:
    settings = load_settings(tmp_path, label_studio_port=18080, backend_port=19090)
    make_home(settings, frames=1, held_out=0)
    assert [name for _, name, _ in rows()] == [each.name for each in all_checks(Installation(settings))]


@pytest.mark.parametrize(
    ("state", "text"), [(state, text) for state, _, text in rows()], ids=[name for _, name, _ in rows()]
)
def test_each_line_is_one_that_the_doctor_can_say(state: str, text: str) -> None:
    assert State(state)
    for said in re.split(r" (?:need: |do:   )", text):
        assert said in VALUES or any(re.fullmatch(each, said) for each in SAYINGS), said


def test_the_last_line_counts_them() -> None:
    counts = Counter(state for state, *_ in rows())
    assert SAMPLE[-1] == ", ".join(f"{counts[state]} {state}" for state in State)


def test_the_sample_is_of_the_present_schema() -> None:
    assert f"schema {max(known_revisions())}" in "\n".join(SAMPLE)
