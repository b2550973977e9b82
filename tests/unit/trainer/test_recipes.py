from __future__ import annotations

from dataclasses import replace

import pytest

from loop.errors import BadRequest
from trainer.recipes import RECIPES, find_recipe, recipe_from_dict

FAST, PAPER = RECIPES["fast"], RECIPES["paper"]


def test_the_paper_recipe_is_the_published_one() -> None:
    assert (PAPER.size, PAPER.batch, PAPER.epochs) == (512, 4, 10)
    assert (PAPER.optimizer, PAPER.loss, PAPER.augmentation) == ("adam", "bce", "paper")
    assert PAPER.planned_epochs(1000) == PAPER.planned_epochs(4) == 10


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


def test_a_recipe_survives_its_dict() -> None:
    assert recipe_from_dict(FAST.to_dict()) == FAST


def test_unknown_and_missing_keys_are_refused() -> None:
    with pytest.raises(BadRequest, match="epoch_count"):
        recipe_from_dict(FAST.to_dict() | {"epoch_count": 3})
    with pytest.raises(BadRequest, match="incomplete"):
        recipe_from_dict({"name": "mine"})
    with pytest.raises(BadRequest, match="fast, paper"):
        find_recipe("slow")


@pytest.mark.parametrize(
    "change", [{"size": 100}, {"batch": 0}, {"learning_rate": 0.0}, {"precision": "int8"}]
)
def test_impossible_values_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(BadRequest):
        recipe_from_dict(FAST.to_dict() | change)


def test_out_of_memory_halves_the_batch_until_it_is_one() -> None:
    assert FAST.smaller().batch == 4
    with pytest.raises(BadRequest, match="batch of one"):
        replace(FAST, batch=1).smaller()
