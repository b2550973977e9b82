"""The documents say what the program says."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pytest

from cli.reference import commands_table, settings_table
from trainer.augmentation import AUGMENTATIONS, STEPS
from trainer.preparation import PREPARATIONS, Preparation, preparation_from_dict

ROOT = Path(__file__).resolve().parents[2]
PREPARATION = (ROOT / "docs" / "preparation.md").read_text(encoding="utf-8")
OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
DOCUMENTS = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
COMMAND = re.compile(r"\./sonoloop ([a-z]+)")


@pytest.mark.parametrize("table", [commands_table, settings_table])
def test_the_operations_page_holds_the_table_that_the_program_prints(table: Callable[[], str]) -> None:
    assert table() in OPERATIONS, "put in what `python -m cli.reference` prints"


def test_every_command_has_one_sentence_of_help() -> None:
    rows = commands_table().splitlines()[2:]
    assert len(rows) >= 14
    assert all(row.split(" | ")[1].endswith(".") for row in rows)


def test_every_setting_has_a_description() -> None:
    assert all(row.split(" | ")[2].strip(" |") for row in settings_table().splitlines()[2:])


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_a_document_names_only_commands_that_exist(document: Path) -> None:
    known = set(re.findall(r"^\| `([a-z]+)", commands_table(), re.MULTILINE))
    assert set(COMMAND.findall(document.read_text(encoding="utf-8"))) <= known


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_a_document_links_only_to_files_that_exist(document: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)[^)]*\)", document.read_text(encoding="utf-8"))
    missing = [link for link in links if not (document.parent / link).exists()]
    assert missing == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_a_document_names_only_settings_that_exist(document: Path) -> None:
    known = {*re.findall(r"SONOLOOP_[A-Z_]+", settings_table()), "SONOLOOP_DATA"}
    assert set(re.findall(r"SONOLOOP_[A-Z_]+", document.read_text(encoding="utf-8"))) <= known


@pytest.mark.parametrize(
    ("heading", "known"),
    [
        ("name", set(PREPARATIONS)),
        ("field", {field.name for field in fields(Preparation)}),
        ("pipeline", set(AUGMENTATIONS)),
        ("step", set(STEPS)),
    ],
)
def test_the_page_on_preparation_names_what_there_is(heading: str, known: set[str]) -> None:
    table = re.search(rf"^\| {heading} \|.*\n\|[-|]+\n((?:\|.*\n)+)", PREPARATION, re.MULTILINE)
    assert table is not None
    assert set(re.findall(r"^\| `([^`]+)`", table[1], re.MULTILINE)) == known


def test_the_preparation_and_the_steps_in_the_text_can_be_had() -> None:
    example = re.search(r"```json\n(.*)\n```", PREPARATION)
    assert example is not None
    assert preparation_from_dict(json.loads(example[1])).tiles
    defaults = dict(re.findall(r"^\| `(\w+)` \| `([^`]+)` \| ", PREPARATION, re.MULTILINE))
    assert {name: json.loads(value) for name, value in defaults.items()} == Preparation().to_dict()
    combined = re.findall(r"`([a-z-]+(?:\+[a-z-]+)+)`", PREPARATION)
    assert combined
    assert all(set(name.split("+")) <= set(STEPS) for name in combined)
