"""Optimisers and learning rates by name.

A rate is a pure function of (step, steps): a schedule that keeps no state needs none restored after a crash.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import partial

from torch.nn import Parameter
from torch.optim import SGD, Adam, AdamW, Optimizer, RAdam

from trainer.ranger import Ranger
from trainer.recipes import Recipe

WARM_UP = 0.25
"""Share of the steps in which the one-cycle rate rises."""
FIRST, LAST = 1 / 25, 1e-4
"""Rates at the beginning of a rise and at the end of a training, as shares of the peak."""
SHORT_WARM_UP = 0.05
"""The same for the cosine with a warm-up: just until the moments of an optimiser mean something."""
POWER = 0.9
"""Of the polynomial, as DeepLab has it."""
DROPS, DROP = (0.5, 0.75), 0.1
"""When the stepwise rate falls, as shares of the training, and what it is multiplied by."""


def build_optimizer(recipe: Recipe, parameters: Iterable[Parameter]) -> Optimizer:
    """Make the optimiser that a recipe names for these parameters, in their order."""
    return OPTIMIZERS[recipe.optimizer](recipe, list(parameters))


def learning_rate(recipe: Recipe, step: int, steps: int) -> float:
    """Give the rate of step 0..steps-1."""
    return recipe.learning_rate * SCHEDULES[recipe.schedule](step / max(1, steps - 1))


def set_learning_rate(optimizer: Optimizer, rate: float) -> None:
    """Use this rate from the next step on."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def _sgd(recipe: Recipe, parameters: list[Parameter], nesterov: bool) -> Optimizer:
    return SGD(
        parameters,
        lr=recipe.learning_rate,
        momentum=recipe.momentum,
        nesterov=nesterov and recipe.momentum > 0,
        weight_decay=recipe.weight_decay,
        fused=True,
    )


def _one_cycle(share: float) -> float:
    """Cosine up, then cosine down (Smith & Topin 2018)."""
    if share < WARM_UP:
        return _cosine(FIRST, 1.0, share / WARM_UP)
    return _cosine(1.0, LAST, (share - WARM_UP) / (1 - WARM_UP))


def _warm_up_cosine(share: float) -> float:
    """Straight up (Goyal et al. 2017), then cosine down (Loshchilov & Hutter 2017)."""
    if share < SHORT_WARM_UP:
        return FIRST + (1 - FIRST) * share / SHORT_WARM_UP
    return _cosine(1.0, LAST, (share - SHORT_WARM_UP) / (1 - SHORT_WARM_UP))


def _polynomial(share: float) -> float:
    """Chen et al. (DeepLab, 2017), but for an end above zero: the last step counts as well."""
    return float(LAST + (1 - LAST) * (1 - share) ** POWER)


def _stepwise(share: float) -> float:
    """He et al. (2016): down tenfold at half and at three quarters."""
    return DROP ** sum(share >= drop for drop in DROPS)


def _cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2


OPTIMIZERS: dict[str, Callable[[Recipe, list[Parameter]], Optimizer]] = {
    "adam": lambda recipe, p: Adam(p, lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True),
    "adamw": lambda recipe, p: AdamW(
        p, lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True
    ),
    "radam": lambda recipe, p: RAdam(p, lr=recipe.learning_rate, weight_decay=recipe.weight_decay),
    "ranger": lambda recipe, p: Ranger(
        p, lr=recipe.learning_rate, weight_decay=recipe.weight_decay, decoupled_weight_decay=True
    ),
    "sgd": partial(_sgd, nesterov=False),
    "sgd-nesterov": partial(_sgd, nesterov=True),
}
SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": lambda _: 1.0,
    "cosine": partial(_cosine, 1.0, LAST),
    "one-cycle": _one_cycle,
    "polynomial": _polynomial,
    "step": _stepwise,
    "warm-up+cosine": _warm_up_cosine,
}
