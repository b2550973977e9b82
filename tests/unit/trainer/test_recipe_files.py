"""A recipe that a person wrote: what is said where it cannot be, all of it in our own words."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path

import pytest

from loop.errors import BadRequest
from trainer.recipe_files import read_recipe, recipe_from_dict
from trainer.recipe_values import EXAMPLES
from trainer.recipes import RECIPES, Recipe

FAST = RECIPES["fast"]


def refused(tmp_path: Path, text: str | bytes) -> BadRequest:
    path = tmp_path / "mine.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(BadRequest) as found:
        read_recipe(path)
    error = found.value
    assert error.got
    assert error.need
    assert error.todo, "what to do"
    assert len(error.message) < 800
    for foreign in ("__init__", "argument", "Error", "NoneType", "dict", "<class"):
        assert foreign not in error.message
    return error


@pytest.mark.parametrize(
    ("text", "got", "todo"),
    [
        ("{}", "an incomplete recipe, without name, size, batch", '"like": "fast"'),
        ("[]", "a recipe that is a list", '{"like": "fast"'),
        ("null", "a recipe that is nothing", '{"like": "fast"'),
        ("7", "a recipe that is a number", '{"like": "fast"'),
        ("", "no JSON, from line 1, character 1 on", "comma, quote or bracket"),
        ('{"like": "fast",\n "loss": }', "no JSON, from line 2, character 10 on", "comma, quote or bracket"),
        (b'{"name": "\xff"}', "no UTF-8 text", "save it as plain text"),
        ("[" * 200_000, "brackets too deep", "begin with"),
        ('{"size": 1' + "0" * 5000 + "}", "a number too long", "begin with"),
        ('{"like": "fsat"}', "recipe 'fsat'", "did you mean fast"),
        ('{"like": ""}', "recipe ''", "docs/recipes.md"),
        ('{"like": 5}', '"like": 5', '"like": "fast"'),
    ],
    ids=lambda text: repr(text)[:24],
)
def test_a_file_that_is_no_recipe_is_told_what_it_lacks(
    tmp_path: Path, text: str | bytes, got: str, todo: str
) -> None:
    error = refused(tmp_path, text)
    assert got in error.got
    assert todo in error.todo


@pytest.mark.parametrize(
    ("change", "got", "need", "todo"),
    [
        ('"name": 5', "name = 5", "a word in quotes", '"name": "thin veins"'),
        ('"name": ""', 'name = ""', "a name that can be seen", '"name": "thin veins"'),
        ('"batch": "8"', 'batch = "8"', "a finite whole number", '"batch": 8'),
        ('"batch": 0', "batch = 0", "1 or more", '"batch": 8'),
        ('"batch": 80000', "batch = 80000", "at most 4096", '"batch": 8'),
        ('"epochs": 20000000', "epochs = 20000000", "at most 1000000", '"epochs": 20'),
        ('"steps": 1e7', "steps = 10000000.0", "a finite whole number", '"steps": 300'),
        ('"steps": 10000000', "steps = 10000000", "at most 1000000", '"steps": 300'),
        ('"epoch_steps": 1000001', "epoch_steps = 1000001", "at most 1000000", '"epoch_steps": 8'),
        (
            '"epochs": 2',
            "min_epochs 4 above epochs 2",
            "at least min_epochs",
            '{"epochs": 2, "min_epochs": 2}',
        ),
        ('"steps": 0, "min_epochs": 50', "min_epochs 50 above epochs 20", "at least", '"min_epochs": 4}'),
        ('"name": "' + "x" * 101 + '"', 'name = "xxx', "at most 100 characters", '"name": "thin veins"'),
        ('"preparation": {"box": [0, 0, 1, 1e-9]}', "box of (0, 0, 1, 1e-09)", "at least 0.01", "order"),
        (
            '"preparation": {"box": [5, 5, 9, 99], "box_unit": "px"}',
            "(px)",
            "at least 8 px",
            "8 or more apart",
        ),
        ('"learning_rate": NaN', "learning_rate = NaN", "a finite number", '"learning_rate": 0.0003'),
        ('"average": 1', "average = 1", "0 up to, but not, 1", '"average": 0.98'),
        ('"size": 250', "a size of 250 px", "a multiple of 32", "take 256"),
        ('"epoch_count": 5', "unknown recipe keys epoch_count", "some of", "or epochs?"),
        ('"loss": "dise"', "loss 'dise'", "one of", "did you mean dice"),
        ('"network": "unet+"', "a + without a network", "joined by +", "resnet34-unet+fcn8s"),
        ('"augmentation": "mirror+"', "augmentation 'mirror+'", "joined by +", "take the +"),
        ('"augmentation": "gian"', "augmentation 'gian'", "joined by +", "did you mean gain"),
        ('"train_from": "encoder9"', "'encoder9' for the network", "encoder5, decoder, head", "train all"),
        ('"preparation": "clae"', "preparation 'clae'", "one of", "did you mean clahe"),
        ('"preparation": 5', "a preparation of '5'", "a name or an object", '"clahe"'),
        ('"preparation": {"tile": true}', "keys tile", "some of", "did you mean tiles"),
        ('"preparation": {"tiles": 1}', "tiles = '1'", "true or false", '"tiles": false'),
        ('"preparation": {"box": [1, 2]}', "box = ", "four finite numbers", '"box": [0.0, 0.0, 1.0, 1.0]'),
        ('"preparation": {"clahe_clip": -1}', "clahe_clip = -1", "0 to 255", "take 2"),
    ],
)
def test_a_wrong_value_is_named_with_what_would_do(
    tmp_path: Path, change: str, got: str, need: str, todo: str
) -> None:
    error = refused(tmp_path, '{"like": "fast", ' + change + "}")
    assert got in error.got
    assert need in error.need
    assert todo in error.todo


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('{"like": "fast", "loss": "dice", "loss": "bce"}', "'loss'"),
        ('{"like": "fast", "like": "paper"}', "'like'"),
        ('{"like": "fast", "preparation": {"tiles": true, "tiles": true}}', "'tiles'"),
    ],
)
def test_a_key_that_comes_twice_is_named(tmp_path: Path, text: str, key: str) -> None:
    assert refused(tmp_path, text).got == f"a recipe with 2 values for {key}"


def test_few_epochs_without_steps_need_no_word_on_min_epochs(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"like": "fast", "steps": 0, "epochs": 2}')
    assert read_recipe(tmp_path / "x.json").planned_epochs(100) == 2


def test_a_recipe_that_was_kept_before_it_was_looked_at_goes_on() -> None:
    kept = RECIPES["fast"].to_dict() | {"epochs": 2, "min_epochs": 4}
    assert recipe_from_dict(kept).planned_epochs(100) == 4


def test_a_file_that_is_not_there_is_told_without_its_name(tmp_path: Path) -> None:
    for path in (tmp_path / "Mrs Miller.json", tmp_path):
        with pytest.raises(BadRequest, match=r"cannot be opened.*check its path") as found:
            read_recipe(path)
        assert "Miller" not in found.value.message


def test_every_field_has_an_example_that_would_do(tmp_path: Path) -> None:
    assert set(EXAMPLES) == {field.name for field in fields(Recipe)}
    for key, value in EXAMPLES.items():
        (tmp_path / "mine.json").write_text(json.dumps({"like": "paper", key: value}))
        read_recipe(tmp_path / "mine.json")


def test_what_a_file_says_replaces_what_it_is_like(tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text('{"like": "fast", "name": "thin veins", "train_from": "decoder"}')
    assert read_recipe(tmp_path / "mine.json") == replace(FAST, name="thin veins", train_from="decoder")
