"""Training the last stages of a network only."""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn
from torch.nn import Parameter

from loop.errors import BadRequest


def freeze_before(stages: Mapping[str, nn.Module], first: str) -> tuple[nn.Module, ...]:
    """Freeze the parameters of all stages before `first`, of a network's in order from its input, and give
    those stages; none for an empty name. Raises BadRequest for a name that is none of theirs.
    """
    if not first:
        return ()
    names = list(stages)
    if first not in names:
        todo = "name the first stage that is to be trained, or none to train all of them"
        raise BadRequest(f"train_from {first!r}", f"one of the network's stages {', '.join(names)}", todo)
    frozen = tuple(stages[name] for name in names[: names.index(first)])
    for stage in frozen:
        stage.requires_grad_(False)
    return frozen


def set_training(network: nn.Module, frozen: tuple[nn.Module, ...]) -> None:
    """Put a network into training mode, but frozen stages into evaluation mode: else their batch statistics
    would follow the new frames.
    """
    network.train()
    for stage in frozen:
        stage.eval()


def trained_parameters(network: nn.Module) -> list[Parameter]:
    """Those that an optimiser is to move, in the network's order."""
    return [parameter for parameter in network.parameters() if parameter.requires_grad]
