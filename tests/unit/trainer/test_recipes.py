from __future__ import annotations

import json
import math
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loop.errors import BadRequest
from trainer.preparation import PREPARATIONS
from trainer.recipe_files import recipe_from_dict
from trainer.recipes import COMPARED_RECIPE, NAMES, RECIPES, Recipe, find_recipe

FAST, PAPER = RECIPES["fast"], RECIPES["paper"]
COUNTS = st.integers(1, 10_000)
SHARES = st.floats(0, 1, exclude_max=True)
AMOUNTS = st.floats(0, 1e6)
ANY_RECIPE = st.builds(
    Recipe,
    name=st.text(st.characters(categories=("L", "N")), min_size=1, max_size=100),
    size=st.integers(1, 64).map(lambda number: 32 * number),
    batch=st.integers(1, 4096),
    epochs=COUNTS,
    learning_rate=st.floats(1e-9, 1e3),
    steps=st.integers(0, 10_000),
    min_epochs=COUNTS,
    epoch_steps=COUNTS,
    weight_decay=AMOUNTS,
    looks=COUNTS,
    average=SHARES,
    momentum=SHARES,
    smallest=SHARES,
    clip_norm=AMOUNTS,
    patience=st.integers(0, 100),
    train_from=st.sampled_from(["", "encoder1", "encoder5", "decoder", "head"]),
    network=st.sampled_from(["resnet34-unet", "segnet", "resnet34-unet+deeplabv3plus"]),
    augmentation=st.sampled_from(["none", "strong", "mirror+speckle"]),
    preparation=st.sampled_from(sorted(PREPARATIONS)).map(PREPARATIONS.__getitem__),
    **{key: st.sampled_from(sorted(known)) for key, known in NAMES.items()},
)
OLD = {
    "name": "fast",
    "size": 256,
    "batch": 8,
    "epochs": 20,
    "optimizer": "adamw",
    "learning_rate": 0.0003,
    "loss": "bce+dice",
    "augmentation": "light",
    "steps": 56,
    "min_epochs": 4,
    "epoch_steps": 8,
    "weight_decay": 0.01,
    "schedule": "one-cycle",
    "network": "resnet34-unet",
    "precision": "auto",
    "looks": 4,
    "base_share": 0.25,
}
"""As version 0.1.0 saved it with a model."""


def test_the_paper_recipe_is_the_published_one() -> None:
    assert (PAPER.size, PAPER.batch, PAPER.epochs) == (512, 4, 10)
    assert (PAPER.optimizer, PAPER.loss, PAPER.augmentation) == ("adam", "bce", "paper")
    assert PAPER.planned_epochs(1000) == PAPER.planned_epochs(4) == 10


def test_networks_are_compared_by_a_recipe_from_scratch_of_more_than_a_few_steps() -> None:
    general = find_recipe(COMPARED_RECIPE)
    assert (general.size, general.epochs, general.steps) == (256, 60, 0)
    assert (general.optimizer, general.learning_rate, general.schedule) == ("adamw", 1e-3, "one-cycle")
    assert (general.loss, general.augmentation) == ("bce+dice", "strong")
    assert general.share_of_base(10) == general.average == 0


def test_the_base_counts_as_so_many_frames() -> None:
    recipe = replace(FAST, base_share=0.0, base_frames=10)
    assert [recipe.share_of_base(frames) for frames in (0, 10, 90)] == [1.0, 0.5, 0.1]
    assert FAST.share_of_base(7) == FAST.share_of_base(700) == 0.25


def test_small_pieces_are_left_out_as_ever_unless_a_recipe_is_for_thin_vessels() -> None:
    shares = {name: recipe.smallest for name, recipe in RECIPES.items()}
    assert shares == dict.fromkeys(RECIPES, 200 / 512**2) | {"retinal": 0.0}
    assert "smallest" not in FAST.deciding()


def test_few_frames_get_more_passes_so_that_the_number_of_steps_stays_the_same() -> None:
    steps = {
        frames: FAST.planned_epochs(frames) * FAST.steps_per_epoch(frames) for frames in (5, 20, 64, 80, 100)
    }
    assert all(48 <= number <= 64 for number in steps.values()), steps
    assert FAST.planned_epochs(10_000) == FAST.min_epochs


@pytest.mark.parametrize("epochs", range(1, 30))
def test_the_last_epoch_is_always_looked_at_and_the_number_of_looks_is_bounded(epochs: int) -> None:
    looked = [epoch for epoch in range(1, epochs + 1) if FAST.looks_at(epoch, epochs)]
    assert looked[-1] == epochs
    assert len(looked) < 2 * FAST.looks


@given(ANY_RECIPE)
def test_a_recipe_survives_its_dict_and_json(recipe: Recipe) -> None:
    assert recipe_from_dict(recipe.to_dict()) == recipe
    assert recipe_from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe


@given(ANY_RECIPE, ANY_RECIPE)
def test_two_recipes_are_equal_where_all_their_fields_are(one: Recipe, other: Recipe) -> None:
    assert (one == other) is (one.to_dict() == other.to_dict())


def test_a_recipe_that_an_older_version_saved_still_reads() -> None:
    assert recipe_from_dict(OLD) == FAST


def test_unknown_and_missing_keys_are_refused() -> None:
    with pytest.raises(BadRequest, match=r"epoch_count.*batch.*train_from"):
        recipe_from_dict(FAST.to_dict() | {"epoch_count": 3})
    with pytest.raises(BadRequest, match=r"incomplete.*without size, batch.*\"like\": \"fast\""):
        recipe_from_dict({"name": "mine"})
    with pytest.raises(BadRequest, match="fast, general, paper"):
        find_recipe("slow")


@pytest.mark.parametrize("key", NAMES)
def test_an_unknown_name_is_refused_at_once_with_those_that_exist(key: str) -> None:
    with pytest.raises(BadRequest) as refused:
        replace(FAST, **{key: "sloth"})  # type: ignore[arg-type]
    assert refused.value.got == f"{key} 'sloth'"
    assert refused.value.need == f"one of {', '.join(sorted(NAMES[key]))}"


@pytest.mark.parametrize(
    ("key", "known"), [("network", "resnet34-unet"), ("augmentation", "strong.*speckle")]
)
def test_an_unknown_network_or_augmentation_is_refused_at_once_too(key: str, known: str) -> None:
    for name in ("sloth", "mirror+sloth", "resnet34-unet+sloth"):
        with pytest.raises(BadRequest, match=f"{key} '.*{known}"):
            replace(FAST, **{key: name})  # type: ignore[arg-type]


@pytest.mark.parametrize("key", [field.name for field in fields(Recipe)])
def test_a_value_of_another_type_is_refused_with_the_name_of_its_field(key: str) -> None:
    values: list[object] = [[], None, True]
    for value in values:
        with pytest.raises(BadRequest, match=key):
            recipe_from_dict(FAST.to_dict() | {key: value})


@pytest.mark.parametrize(
    "change",
    [
        {"size": 100},
        {"name": ""},
        {"name": " "},
        {"name": "red\x1b[31m"},
        {"train_from": "encoder6"},
        {"train_from": "Decoder"},
        {"batch": 0},
        {"looks": 0},
        {"learning_rate": 0.0},
        {"learning_rate": math.nan},
        {"learning_rate": math.inf},
        {"momentum": 1.0},
        {"base_share": -0.1},
        {"average": 1.0},
        {"base_frames": -1},
        {"learning_rate": 10**400},
        {"size": 9_999_999_968},
        {"base_frames": 8, "base_share": 0.25},
        {"weight_decay": -1.0},
        {"clip_norm": -1.0},
        {"patience": -1},
    ],
)
def test_impossible_values_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(BadRequest):
        recipe_from_dict(FAST.to_dict() | change)


def test_out_of_memory_halves_the_batch_until_it_is_one() -> None:
    assert FAST.smaller().batch == 4
    with pytest.raises(BadRequest, match="batch of one"):
        replace(FAST, batch=1).smaller()
