"""Several networks that answer as one: the mean of their probabilities."""

from __future__ import annotations

from collections.abc import Iterable
from math import prod
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from trainer.networks.base import Network, Parts


class Ensemble(Network):
    """Every member sees the same frame; the logit of their mean probability is the answer.

    Its features are those of all members, on the coarsest member's grid, beside one another.
    """

    def __init__(self, members: Iterable[Network]) -> None:
        super().__init__(multiple=1)
        self.members = nn.ModuleList(members)

    def compute(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of the input's size and features (N, sum of D, h, w)."""
        answers = [member.forward_with_features(x) for member in self._each()]
        logits = torch.stack([logits for logits, _ in answers])
        grid = min(((features.shape[-2], features.shape[-1]) for _, features in answers), key=prod)
        seen = [functional.adaptive_avg_pool2d(features, grid) for _, features in answers]
        return mean_logit(logits), torch.cat(seen, dim=1)

    def parts(self) -> Parts:
        """The members' stages of the same name together."""
        all_parts = [member.parts() for member in self._each()]
        depth = max(len(parts.encoder) for parts in all_parts)
        encoder = [
            [module for parts in all_parts for module in list(parts.encoder[number : number + 1])]
            for number in range(depth)
        ]
        return Parts(
            [[module for stage in stages for module in stage] for stages in encoder],
            [module for parts in all_parts for module in parts.head],
            [module for parts in all_parts for module in parts.decoder],
        )

    def _each(self) -> list[Network]:
        return [cast(Network, member) for member in self.members]


def mean_logit(logits: Tensor) -> Tensor:
    """Logit of the mean of the sigmoids over the first axis, without leaving the logarithms: float (M, ...)
    to float (...).
    """
    return functional.logsigmoid(logits).logsumexp(0) - functional.logsigmoid(-logits).logsumexp(0)
