"""Recipes: everything about a training that is not data, as one frozen value that is saved with the model.

Every field and every name is explained, with its paper, in docs/recipes.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from loop.errors import BadRequest
from trainer.augmentation import check_augmentation
from trainer.defaults import changed_from_defaults
from trainer.nearest import LONGEST_WORD
from trainer.networks import members, stages
from trainer.preparation import PLAIN, RETINAL, Preparation
from trainer.recipe_values import LONGEST_NAME, SMALLEST, check_name, check_numbers, check_types, refused

PRECISIONS = ("auto", "float32", "bfloat16", "float16")
OPTIMIZERS = ("adam", "adamw", "radam", "ranger", "sgd", "sgd-nesterov")
SCHEDULES = ("constant", "cosine", "one-cycle", "polynomial", "step", "warm-up+cosine")
LOSSES = ("bce", "bce+dice", "boundary", "cldice", "dice", "focal-tversky", "ssim+bce+dice")
"""Names only: whoever writes a job need not load torch. `trainer.optimisation` and `trainer.losses` make
what they name.
"""


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
    al., "Robust fine-tuning of zero-shot models", 2022). With `base_frames` that share falls as frames are
    labelled: the base counts as so many of them. `preparation` is what is done to a frame first;
    with tiles `size` is theirs, and an epoch takes one of each frame.

    `momentum` is that of SGD; other optimisers have none. Gradients longer than `clip_norm` (Euclidean, over
    all weights) are shortened to it; 0: never. Training ends once `patience` looks in a row found nothing
    better, where the inner split is large enough to choose by; 0: never. Stages of the network before
    `train_from` stay as the base weights have them, statistics included; empty: all of it is trained. With
    `average` above 0 the model is the running mean of the weights, which keeps that share of itself a step.
    Where the model then serves, pieces smaller than the share `smallest` of what it sees of a frame (of the
    crop, where there is one) are left out; 0: none is.

    Raises BadRequest for impossible values and for names that do not exist.
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
    base_frames: int = 0
    momentum: float = 0.9
    clip_norm: float = 0.0
    patience: int = 0
    train_from: str = ""
    average: float = 0.0
    preparation: Preparation = PLAIN
    smallest: float = SMALLEST

    def __post_init__(self) -> None:
        check_types(self)
        check_numbers(self)
        if len(self.name) > LONGEST_NAME:
            raise refused("name", self.name, f"at most {LONGEST_NAME} characters")
        if not self.name.strip() or not self.name.isprintable():
            raise refused("name", self.name, "a name that can be seen, by which reports call the recipe")
        if self.base_frames and self.base_share:
            got = f"base_frames {self.base_frames} beside base_share {self.base_share}"
            raise BadRequest(
                got, "one of them", 'set the other to 0, as in {"base_share": 0, "base_frames": 12}'
            )
        for key, known in NAMES.items():
            check_name(key, getattr(self, key), known)
        members(self.network)
        check_augmentation(self.augmentation)
        known_stages = stages(self.network)
        if self.train_from and self.train_from not in known_stages:
            got = f"train_from {self.train_from[:LONGEST_WORD]!r} for the network {self.network}"
            todo = "name the first stage that is to be trained, or leave train_from out to train all of them"
            raise BadRequest(got, f"one of its stages {', '.join(known_stages)}", todo)

    def steps_per_epoch(self, frames: int) -> int:
        """How many batches make an epoch; of one pass a last short batch is left out."""
        return max(self.epoch_steps, frames // self.batch)

    def planned_epochs(self, frames: int) -> int:
        """How many passes to train for on so many frames."""
        if not self.steps:
            return self.epochs
        wanted = round(self.steps / self.steps_per_epoch(frames))
        return max(self.min_epochs, min(self.epochs, wanted))

    def share_of_base(self, frames: int) -> float:
        """The share of the base weights in a model that so many frames taught."""
        return self.base_frames / (self.base_frames + frames) if self.base_frames else self.base_share

    def looks_at(self, epoch: int, epochs: int) -> bool:
        """Whether to judge the network on the inner split after `epoch` of 1..epochs."""
        every = max(1, epochs // self.looks)
        return (epochs - epoch) % every == 0

    def smaller(self) -> Recipe:
        """Make the recipe to try after running out of memory: half the batch. Raises BadRequest at a batch
        of 1.
        """
        if self.batch == 1:
            todo = "end other programs, or take a recipe with a smaller size"
            raise BadRequest("a batch of one frame, and too little memory for it", "more memory", todo)
        return replace(self, batch=self.batch // 2)

    def to_dict(self) -> dict[str, Any]:
        """Give it in JSON's types; `recipe_from_dict` reads it."""
        return asdict(self) | {"preparation": self.preparation.to_dict()}

    def deciding(self) -> dict[str, Any]:
        """Give, in JSON's types, what tells trainings apart: as `changed_from_defaults` does."""
        return changed_from_defaults(self)


NAMES: Mapping[str, Iterable[str]] = {
    "loss": LOSSES,
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
    "precision": PRECISIONS,
}
"""Fields that hold a name, each with the names that it may hold. Networks and augmentations are combined by
name as well: they know themselves what they can make.
"""

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

DEFAULT_RECIPE = "thorough"
"""The best that is known for few labels, see docs/small-sets.md."""
COMPARED_RECIPE = "general"
"""From scratch networks learn by it from about a hundred frames, so that there is something to compare."""
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
    "general": Recipe(
        name="general",
        size=256,
        batch=8,
        epochs=60,
        optimizer="adamw",
        learning_rate=1e-3,
        weight_decay=1e-2,
        schedule="one-cycle",
        loss="bce+dice",
        augmentation="strong",
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
        average=0.98,
        base_share=0.0,
        base_frames=12,
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
        smallest=0.0,
    ),
}


def find_recipe(name: str) -> Recipe:
    """Look a recipe up. Raises BadRequest for an unknown name."""
    check_name("recipe", name, RECIPES)
    return RECIPES[name]
