"""Losses by name: each takes logits float32 (N, C, S, S) and targets float32 of the same shape, 0 or 1."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from loop.errors import BadRequest

Loss = Callable[[Tensor, Tensor], Tensor]


def build_loss(name: str) -> Loss:
    """Make the loss of that name, a scalar to be made small. Raises BadRequest for an unknown name."""
    if name not in LOSSES:
        raise BadRequest(f"loss {name!r}", f"one of {', '.join(sorted(LOSSES))}")
    return LOSSES[name]()


def targets(index_maps: Tensor, classes: int) -> Tensor:
    """Class indices uint8 (N, S, S), 0 background, to one float32 channel a class, (N, classes, S, S)."""
    values = torch.arange(1, classes + 1, device=index_maps.device, dtype=index_maps.dtype)
    return (index_maps.unsqueeze(1) == values.view(1, -1, 1, 1)).float()


def _bce() -> Loss:
    return functional.binary_cross_entropy_with_logits


def _bce_dice() -> Loss:
    """BCE for the calm gradient and the empty frames, Dice over the batch for vessels of few pixels."""
    from segmentation_models_pytorch.losses import DiceLoss

    dice = DiceLoss("multilabel", smooth=1.0)

    def loss(logits: Tensor, truth: Tensor) -> Tensor:
        total: Tensor = functional.binary_cross_entropy_with_logits(logits, truth) + dice(logits, truth)
        return total

    return loss


LOSSES: dict[str, Callable[[], Loss]] = {"bce": _bce, "bce+dice": _bce_dice}
