from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loop.errors import BadRequest
from trainer.preparation import (
    CROPS,
    OVERLAPS,
    PLAIN,
    PREPARATIONS,
    Preparation,
    preparation_from_dict,
)
from trainer.recipe_files import recipe_from_dict
from trainer.recipes import RECIPES, find_recipe

shares = st.tuples(st.floats(0, 0.4), st.floats(0, 0.4), st.floats(0.5, 1), st.floats(0.5, 1))
preparations = st.builds(
    Preparation,
    crop=st.sampled_from(CROPS),
    box=shares,
    clahe_clip=st.floats(0, 40),
    clahe_grid=st.integers(1, 16),
    tiles=st.booleans(),
    tile_frame=st.integers(0, 2048),
    tile_overlap=st.floats(*OVERLAPS),
    vessel_tiles=st.floats(0, 1),
)


@given(preparations)
def test_a_preparation_survives_json_alone_and_in_a_recipe(preparation: Preparation) -> None:
    values = preparation.to_dict()
    assert json.loads(json.dumps(values)) == values
    assert preparation_from_dict(values) == preparation
    recipe = replace(RECIPES["fast"], preparation=preparation)
    assert recipe_from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe


def test_what_is_missing_is_as_it_always_was() -> None:
    assert preparation_from_dict({}) == PLAIN == Preparation()
    old = {key: value for key, value in RECIPES["fast"].to_dict().items() if key != "preparation"}
    assert recipe_from_dict(old) == RECIPES["fast"]
    assert RECIPES["fast"].preparation == RECIPES["paper"].preparation == PLAIN


@pytest.mark.parametrize("name", PREPARATIONS)
def test_a_recipe_may_name_a_preparation(name: str) -> None:
    recipe = recipe_from_dict(RECIPES["fast"].to_dict() | {"preparation": name})
    assert recipe.preparation == PREPARATIONS[name]


@pytest.mark.parametrize(
    "change",
    [
        {"crop": "middle"},
        {"crop": 1},
        {"box": [0, 0, 1]},
        {"box": [0.5, 0, 0.5, 1]},
        {"box": [0, 0, 1, 2]},
        {"box": [-0.1, 0, 1, 1]},
        {"box": "0011"},
        {"box_unit": "mm"},
        {"clahe_clip": -1},
        {"clahe_clip": float("nan")},
        {"clahe_clip": True},
        {"clahe_clip": 10**400},
        {"tile_frame": 10**400},
        {"clahe_grid": 0},
        {"clahe_grid": 1000},
        {"clahe_grid": 8.0},
        {"tiles": 1},
        {"tile_frame": 10**9},
        {"tile_overlap": 0.0},
        {"tile_overlap": 0.9},
        {"vessel_tiles": 1.1},
        {"tile": True},
    ],
    ids=lambda change: str(change)[:40],
)
def test_impossible_preparations_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(BadRequest):
        preparation_from_dict(PLAIN.to_dict() | change)


@pytest.mark.parametrize("values", ["sharp", None, 3, ["plain"]])
def test_what_is_no_preparation_is_refused(values: Any) -> None:
    with pytest.raises(BadRequest):
        recipe_from_dict(RECIPES["fast"].to_dict() | {"preparation": values})


def test_the_retinal_recipe_is_the_one_for_retinal_vessels() -> None:
    recipe = find_recipe("retinal")
    assert (recipe.network, recipe.size, recipe.batch) == ("unet-leakyrelu", 256, 4)
    assert (recipe.optimizer, recipe.learning_rate, recipe.weight_decay) == ("adam", 1e-3, 1e-4)
    assert recipe.preparation.tiles
    assert recipe.preparation.clahe_clip > 0
