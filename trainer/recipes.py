"""Recipes: everything about a training that is not data, as one frozen value that is saved with the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from loop.errors import BadRequest
from trainer.preparation import PLAIN, RETINAL, Preparation, preparation_from_dict


@dataclass(frozen=True)
class Recipe:
    """How to train. Sizes in px; `size` is a multiple of 32 (the depth of the networks).

    With `steps` set, the number of epochs follows from the number of frames: enough for about that many
    optimiser steps, but at least `min_epochs` and at most `epochs`. An epoch is one pass over the frames,
    or several on few frames, so that it has at least `epoch_steps`: what is done once an epoch (judging,
    saving) stays cheap beside it. `precision` is "float32", "bfloat16", "float16" or "auto" (a timed probe
    decides). Of `looks` epochs, the last always among them, the one that is best on the inner split becomes
    the model, or the last where that split is small. Where training began from a weight file, `base_share`
    of those weights is mixed into the model: it keeps what a few frames would make it forget (Wortsman et
    al., "Robust fine-tuning of zero-shot models", 2022). `preparation` is what is done to a frame first;
    with tiles `size` is theirs, and an epoch takes one of each frame.
    """

    name: str
    size: int
    batch: int
    epochs: int
    optimizer: str
    learning_rate: float
    loss: str
    augmentation: str
    steps: int = 0
    min_epochs: int = 1
    epoch_steps: int = 1
    weight_decay: float = 0.0
    schedule: str = "constant"
    network: str = "resnet34-unet"
    precision: str = "auto"
    looks: int = 8
    base_share: float = 0.0
    preparation: Preparation = PLAIN

    def __post_init__(self) -> None:
        if self.size < 32 or self.size % 32:
            raise BadRequest(f"a size of {self.size} px", "a multiple of 32")
        least = min(self.batch, self.epochs, self.min_epochs, self.epoch_steps, self.looks)
        if least < 1 or self.learning_rate <= 0 or self.steps < 0:
            raise BadRequest(
                "a recipe with nothing to do", "batch, epochs, looks and learning rate above zero"
            )
        if not 0 <= self.base_share < 1:
            raise BadRequest(f"a base share of {self.base_share}", "0 up to, but not, 1")
        if self.precision not in PRECISIONS:
            raise BadRequest(f"precision {self.precision!r}", f"one of {', '.join(PRECISIONS)}")

    def steps_per_epoch(self, frames: int) -> int:
        """How many batches make an epoch; of one pass a last short batch is left out."""
        return max(self.epoch_steps, frames // self.batch)

    def planned_epochs(self, frames: int) -> int:
        """How many passes to train for on so many frames."""
        if not self.steps:
            return self.epochs
        wanted = round(self.steps / self.steps_per_epoch(frames))
        return max(self.min_epochs, min(self.epochs, wanted))

    def looks_at(self, epoch: int, epochs: int) -> bool:
        """Whether to judge the network on the inner split after `epoch` of 1..epochs."""
        every = max(1, epochs // self.looks)
        return (epochs - epoch) % every == 0

    def smaller(self) -> Recipe:
        """Make the recipe to try after running out of memory: half the batch. Raises BadRequest at a batch
        of 1.
        """
        if self.batch == 1:
            raise BadRequest("a batch of one frame", "more memory", "or a smaller size")
        return replace(self, batch=self.batch // 2)

    def to_dict(self) -> dict[str, Any]:
        """Give it in JSON's types; `recipe_from_dict` reads it."""
        return asdict(self) | {"preparation": self.preparation.to_dict()}


PRECISIONS = ("auto", "float32", "bfloat16", "float16")

FAST = Recipe(
    name="fast",
    size=256,
    batch=8,
    epochs=20,
    steps=56,
    min_epochs=4,
    epoch_steps=8,
    optimizer="adamw",
    learning_rate=3e-4,
    weight_decay=1e-2,
    schedule="one-cycle",
    loss="bce+dice",
    augmentation="light",
    looks=4,
    base_share=0.25,
)
"""About a minute on two cores; meant to start from base weights."""

RECIPES: dict[str, Recipe] = {
    "paper": Recipe(
        name="paper",
        size=512,
        batch=4,
        epochs=10,
        optimizer="adam",
        learning_rate=1e-3,
        loss="bce",
        augmentation="paper",
    ),
    "fast": FAST,
    "thorough": replace(
        FAST,
        name="thorough",
        steps=300,
        epochs=60,
        min_epochs=10,
        looks=10,
        learning_rate=1e-3,
        augmentation="strong",
    ),
    "retinal": Recipe(
        name="retinal",
        size=256,
        batch=4,
        epochs=40,
        epoch_steps=16,
        optimizer="adam",
        learning_rate=1e-3,
        weight_decay=1e-4,
        loss="bce",
        augmentation="paper",
        network="unet-leakyrelu",
        preparation=RETINAL,
    ),
}


def find_recipe(name: str) -> Recipe:
    """Look a recipe up. Raises BadRequest for an unknown name."""
    if name not in RECIPES:
        raise BadRequest(f"recipe {name!r}", f"one of {', '.join(sorted(RECIPES))}")
    return RECIPES[name]


def recipe_from_dict(values: Mapping[str, Any]) -> Recipe:
    """Read what `Recipe.to_dict` wrote. Raises BadRequest for unknown or missing keys and impossible
    values.
    """
    known = {field.name for field in fields(Recipe)}
    unknown = sorted(set(values) - known)
    if unknown:
        raise BadRequest(f"unknown recipe keys {', '.join(unknown)}", f"some of {', '.join(sorted(known))}")
    preparation = preparation_from_dict(values.get("preparation", {}))
    try:
        return Recipe(**{**values, "preparation": preparation})
    except TypeError as exc:
        raise BadRequest("an incomplete or mistyped recipe", str(exc)) from exc
