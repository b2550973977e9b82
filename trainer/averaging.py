"""The running mean of a network's weights over its steps, which is calmer than the weights of any one step.

Polyak & Juditsky, "Acceleration of stochastic approximation by averaging", 1992; the warm-up of the decay as
in Tarvainen & Valpola, "Mean teachers are better role models", 2017.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Average:
    """Float32 means of all that a network's state holds in floating point, its batch statistics too; counters
    are the network's own.

    After step n the mean keeps min(`decay`, (1 + n) / (10 + n)) of itself: what a network was before it had
    learnt anything is soon forgotten, however few steps there are.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self._decay = decay
        self.tensors = {name: _copied(tensor) for name, tensor in _floating(network)}

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Take in the weights after step 0, 1, 2 ... of the whole training."""
        decay = min(self._decay, (1 + step) / (10 + step))
        for name, tensor in _floating(network):
            self.tensors[name].lerp_(tensor.float(), 1 - decay)

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from the means of an earlier attempt."""
        for name, tensor in self.tensors.items():
            tensor.copy_(tensors[name])

    @contextmanager
    def applied_to(self, network: nn.Module) -> Iterator[None]:
        """Put the means in place of the network's weights for a `with` block; at its end the weights are put
        back as they were, to the last bit.
        """
        own = {name: tensor.clone() for name, tensor in _floating(network)}
        _fill(network, self.tensors)
        try:
            yield
        finally:
            _fill(network, own)


def _floating(network: nn.Module) -> list[tuple[str, Tensor]]:
    return [(name, tensor) for name, tensor in network.state_dict().items() if tensor.is_floating_point()]


def _copied(tensor: Tensor) -> Tensor:
    return tensor.detach().float().clone()


@torch.no_grad()
def _fill(network: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    for name, tensor in _floating(network):
        tensor.copy_(tensors[name])
