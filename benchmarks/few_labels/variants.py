"""The recipes that are compared, by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from trainer.preparation import Preparation
from trainer.recipes import RECIPES, Recipe

PHANTOMS = "phantoms"


@dataclass(frozen=True)
class Variant:
    """A recipe and what it begins from; with `pseudo` the model's own masks of the unlabelled frames teach a
    second one. `shares` of the base weights are mixed into the model that comes out, each judged by itself.
    """

    recipe: Recipe
    is_from_phantoms: bool = True
    pseudo: bool = False
    shares: tuple[float, ...] = (0.0,)


PAPER = replace(RECIPES["paper"], looks=1)
THOROUGH = replace(RECIPES["thorough"], looks=1)
REFERENCE = replace(RECIPES["general"], name="reference", looks=1)
"""What a good general recipe from scratch gives."""
TUNED = replace(REFERENCE, name="tuned", steps=300, epochs=400, min_epochs=4, epoch_steps=8)
"""Where the ladder begins; each variant changes one thing."""


SHARES = (0.0, 0.1, 0.25, 0.5)


def _tuned(**changes: object) -> Variant:
    return Variant(replace(TUNED, **changes), shares=SHARES)  # type: ignore[arg-type]


VARIANTS: Mapping[str, Variant] = {
    "paper": Variant(PAPER, is_from_phantoms=False),
    "paper 256 px": Variant(replace(PAPER, size=256), is_from_phantoms=False),
    "reference": Variant(REFERENCE, is_from_phantoms=False),
    "fast": Variant(replace(RECIPES["fast"], looks=1)),
    "thorough": Variant(THOROUGH),
    "thorough 384 px": Variant(replace(THOROUGH, size=384)),
    "tuned": _tuned(),
    "tuned from scratch": Variant(TUNED, is_from_phantoms=False),
    "150 steps": _tuned(steps=150),
    "600 steps": _tuned(steps=600),
    "rate 2e-4": _tuned(learning_rate=2e-4),
    "rate 5e-4": _tuned(learning_rate=5e-4),
    "light": _tuned(augmentation="light"),
    "ultrasound": _tuned(augmentation="ultrasound"),
    "average": _tuned(average=0.98),
    "dice": _tuned(loss="dice"),
    "clahe": _tuned(preparation=Preparation(clahe_clip=2.0)),
    "384 px": _tuned(size=384),
    "pseudo-labels": Variant(TUNED, pseudo=True, shares=SHARES),
}
CONFIRMED = ("reference", "thorough", "average", "fast", "paper")
"""Those that are judged on all folds."""
