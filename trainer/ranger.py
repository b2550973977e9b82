"""Ranger: RAdam that looks ahead."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim import RAdam

STEPS, SHARE = 5, 0.5
"""k and alpha of the paper."""


class Ranger(RAdam):
    """RAdam (Liu et al. 2020) whose weights are drawn back, every `STEPS` steps, to slow ones that follow
    them by `SHARE` of the way (Zhang et al., "Lookahead optimizer: k steps forward, 1 step back", 2019).

    The slow weights begin as those before the first step and lie in the state beside RAdam's moments, whose
    own count says when it is time: so the state is all that a checkpoint needs, to the last bit.
    """

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Take one step. `closure` is none of ours: GradScaler knows none."""
        moved = [p for group in self.param_groups for p in group["params"] if p.grad is not None]
        begun = {p: p.clone() for p in moved if not self.state[p]}
        loss: Any = super().step(closure)
        for parameter, slow in begun.items():
            self.state[parameter]["slow"] = slow
        for parameter in moved:
            _look_ahead(parameter, self.state[parameter])
        return loss  # type: ignore[no-any-return]


def _look_ahead(fast: Tensor, state: dict[str, Tensor]) -> None:
    if int(state["step"].item()) % STEPS == 0:
        fast.copy_(state["slow"].lerp_(fast, SHARE))
