"""Optimisers and learning rates by name.

A rate is a pure function of (step, steps): a schedule that keeps no state needs none restored after a crash.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from torch.nn import Parameter
from torch.optim import Adam, AdamW, Optimizer

from loop.errors import BadRequest
from trainer.recipes import Recipe

WARM_UP = 0.25
"""Share of the steps in which the one-cycle rate rises."""
FIRST, LAST = 1 / 25, 1e-4
"""Rates at the beginning and at the end of the cycle, as shares of the peak."""


def build_optimizer(recipe: Recipe, parameters: Iterable[Parameter]) -> Optimizer:
    """Make the optimiser that a recipe names. Raises BadRequest for an unknown name."""
    if recipe.optimizer not in OPTIMIZERS:
        raise BadRequest(f"optimizer {recipe.optimizer!r}", f"one of {', '.join(sorted(OPTIMIZERS))}")
    return OPTIMIZERS[recipe.optimizer](recipe, list(parameters))


def learning_rate(recipe: Recipe, step: int, steps: int) -> float:
    """Give the rate of step 0..steps-1. Raises BadRequest for an unknown schedule."""
    if recipe.schedule not in SCHEDULES:
        raise BadRequest(f"schedule {recipe.schedule!r}", f"one of {', '.join(sorted(SCHEDULES))}")
    return recipe.learning_rate * SCHEDULES[recipe.schedule](step / max(1, steps - 1))


def set_learning_rate(optimizer: Optimizer, rate: float) -> None:
    """Use this rate from the next step on."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def _one_cycle(share: float) -> float:
    """Cosine up, then cosine down (Smith & Topin 2018)."""
    if share < WARM_UP:
        return _cosine(FIRST, 1.0, share / WARM_UP)
    return _cosine(1.0, LAST, (share - WARM_UP) / (1 - WARM_UP))


def _cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2


OPTIMIZERS: dict[str, Callable[[Recipe, list[Parameter]], Optimizer]] = {
    "adam": lambda recipe, p: Adam(p, lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True),
    "adamw": lambda recipe, p: AdamW(
        p, lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True
    ),
}
SCHEDULES: dict[str, Callable[[float], float]] = {"constant": lambda _: 1.0, "one-cycle": _one_cycle}
