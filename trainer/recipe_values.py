"""Which values a recipe's fields may have, field by field, and what is said of others."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from loop.errors import BadRequest
from trainer.nearest import LONGEST_WORD, meant
from trainer.preparation import LARGEST, Preparation

if TYPE_CHECKING:
    from trainer.recipes import Recipe

LARGEST_SIZE = 8192
SMALLEST = 200 / 512**2
"""Share of what is seen of a frame below which a piece is no vessel: 200 px of 512 x 512, less than half of
the smallest vessel that was drawn in real frames. The default, and what models have that say nothing of it.
"""
LEAST = dict.fromkeys(("batch", "epochs", "min_epochs", "epoch_steps", "looks"), 1) | dict.fromkeys(
    ("steps", "base_frames", "patience", "weight_decay", "clip_norm"), 0
)
MOST = {"batch": 4096} | dict.fromkeys(("epochs", "min_epochs", "epoch_steps", "steps", "looks"), 1_000_000)
"""Far beyond what anybody trains by: a digit too many is told at once, not by a training without an end."""
LONGEST_NAME = 100
SHARES = ("base_share", "momentum", "average", "smallest")
KINDS: dict[str, tuple[type | tuple[type, ...], str]] = {
    "str": (str, "a word in quotes"),
    "int": (int, "a finite whole number"),
    "float": ((int, float), "a finite number"),
    "Preparation": (Preparation, "a name or an object"),
}
"""By a field's annotation: what it takes, and how that is said."""
EXAMPLES: dict[str, Any] = {
    "name": "thin veins",
    "size": 256,
    "batch": 8,
    "epochs": 20,
    "optimizer": "adamw",
    "learning_rate": 3e-4,
    "loss": "bce+dice",
    "augmentation": "light",
    "steps": 300,
    "min_epochs": 4,
    "epoch_steps": 8,
    "weight_decay": 1e-2,
    "schedule": "one-cycle",
    "network": "resnet34-unet",
    "precision": "auto",
    "looks": 8,
    "base_share": 0.25,
    "base_frames": 12,
    "momentum": 0.9,
    "clip_norm": 1.0,
    "patience": 3,
    "train_from": "decoder",
    "average": 0.98,
    "preparation": "clahe",
    "smallest": 0.0002,
}


def check_types(recipe: Recipe) -> None:
    """Raises BadRequest for a value of another type, or a number that is none."""
    for field in fields(recipe):
        value, kind = getattr(recipe, field.name), str(field.type)
        types, need = KINDS[kind]
        is_right = isinstance(value, types) and not isinstance(value, bool)
        if not is_right or (kind in ("float", "int") and not abs(value) <= LARGEST):
            raise refused(field.name, value, need)


def check_numbers(recipe: Recipe) -> None:
    """Raises BadRequest for a number outside its range."""
    if not 32 <= recipe.size <= LARGEST_SIZE or recipe.size % 32:
        near = min(LARGEST_SIZE, max(32, 32 * round(recipe.size / 32)))
        need = f"a multiple of 32 from 32 to {LARGEST_SIZE}, for the networks halve it five times"
        raise BadRequest(f"a size of {said(recipe.size)} px", need, f"take {near}")
    for key, least in LEAST.items():
        if getattr(recipe, key) < least:
            raise refused(key, getattr(recipe, key), f"{least} or more")
    for key, most in MOST.items():
        if getattr(recipe, key) > most:
            raise refused(key, getattr(recipe, key), f"at most {most}")
    for key in SHARES:
        if not 0 <= getattr(recipe, key) < 1:
            raise refused(key, getattr(recipe, key), "0 up to, but not, 1")
    if recipe.learning_rate <= 0:
        raise refused("learning_rate", recipe.learning_rate, "a number above 0")


def check_name(what: str, name: str, known: Iterable[str]) -> None:
    """Raises BadRequest for a name that is not known."""
    if name not in known:
        todo = meant(name, known, "docs/recipes.md says what each is for")
        raise BadRequest(f"{what} {name[:LONGEST_WORD]!r}", f"one of {', '.join(sorted(known))}", todo)


def refused(key: str, value: object, need: str) -> BadRequest:
    """The error of a field, with a value that would do."""
    example = json.dumps({key: EXAMPLES[key]})
    return BadRequest(f"{key} = {said(value)} in a recipe", need, f"write it such as {example}")


def said(value: object) -> str:
    """A value as its file has it, cut short."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        text = type(value).__name__
    return text if len(text) <= LONGEST_WORD else text[: LONGEST_WORD - 1] + "…"
