"""The page on recipes holds what the program knows, no more and no less."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path

import pytest

from trainer.augmentation import AUGMENTATIONS
from trainer.recipe_files import read_recipe
from trainer.recipes import (
    LOSSES,
    OPTIMIZERS,
    PRECISIONS,
    RECIPES,
    SCHEDULES,
    Recipe,
)

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "recipes.md").read_text(encoding="utf-8")


def table(heading: str) -> dict[str, str]:
    """The rows below a heading: name in the first column, and the rest of the row."""
    section = re.split(r"^#+ ", PAGE, flags=re.MULTILINE)
    [body] = [part for part in section if part.startswith(f"{heading}\n")]
    return dict(re.findall(r"^\| `([^`]+)` \| (.*) \|$", body, re.MULTILINE))


@pytest.mark.parametrize(
    ("heading", "names"),
    [
        ("Recipes", RECIPES),
        ("Fields", [field.name for field in fields(Recipe)]),
        ("Losses", LOSSES),
        ("Optimisers", OPTIMIZERS),
        ("Schedules", SCHEDULES),
    ],
)
def test_a_table_has_a_row_for_every_name_and_for_no_other(heading: str, names: Iterable[str]) -> None:
    rows = table(heading)
    assert set(rows) == set(names)
    assert all(column.strip() for row in rows.values() for column in row.split(" | "))


@pytest.mark.parametrize(("field", "names"), [("precision", PRECISIONS), ("augmentation", AUGMENTATIONS)])
def test_the_row_of_a_field_names_what_it_may_hold(field: str, names: Iterable[str]) -> None:
    assert set(re.findall(r"`([^`]+)`", table("Fields")[field])) == set(names)


def test_the_recipe_file_of_the_page_can_be_read(tmp_path: Path) -> None:
    [example] = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "mine.json").write_text(example)
    recipe = read_recipe(tmp_path / "mine.json")
    said = json.loads(example)
    like = RECIPES[said.pop("like")]
    assert recipe.to_dict() == like.to_dict() | said != like.to_dict()
