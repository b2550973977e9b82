"""Losses by name: each takes logits float32 (N, C, S, S) and targets float32 of the same shape, 0 or 1.

Every channel is a yes or no of its own (sigmoid), and a loss is the mean over the channels. Overlaps (Dice,
Tversky, clDice) pool the pixels of the whole batch, as nnU-Net does: a vein of few pixels in one frame does
not outweigh the others. None is undefined where a class is absent: each is finite there, with a gradient
that calls for less of the class. They want float32: within autocast they would lose small differences.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from loop.errors import BadRequest
from trainer.contours import signed_distances
from trainer.nearest import meant

Loss = Callable[[Tensor, Tensor], Tensor]

SMOOTH = 1.0
"""Pixels added above and below each fraction: an absent class gives 1 for none predicted, and no 0 / 0."""
MISSED, FALSE_ALARM, GAMMA = 0.7, 0.3, 4 / 3
"""Weights of false negatives and false positives, and the focus, as Abraham & Khan have them."""
LEAST = 1e-6
"""A root has an infinite slope at 0, so the focal Tversky loss ends its fall here."""
SKELETON_STEPS = 10
"""Erosions of the soft skeleton: vessels thicker than twice as many px have none."""
EDGE_FIRST, EDGE_LAST = 0.01, 0.5
"""Share of the boundary in its loss, at the beginning and at the end of a training."""


def build_loss(name: str, share: float = 0.0) -> Loss:
    """Make the loss of that name, a scalar to be made small, `share` of the training (0 to 1) being done.

    Raises BadRequest for an unknown name.
    """
    if name not in LOSSES:
        todo = meant(name, LOSSES, "docs/recipes.md says what each is for")
        raise BadRequest(f"loss {name!r}", f"one of {', '.join(sorted(LOSSES))}", todo)
    return LOSSES[name](share)


def targets(index_maps: Tensor, classes: int) -> Tensor:
    """Class indices uint8 (N, S, S), 0 background, to one float32 channel a class, (N, classes, S, S)."""
    values = torch.arange(1, classes + 1, device=index_maps.device, dtype=index_maps.dtype)
    return (index_maps.unsqueeze(1) == values.view(1, -1, 1, 1)).float()


def _bce(_: float) -> Loss:
    return functional.binary_cross_entropy_with_logits


def _dice(_: float) -> Loss:
    """Milletari et al. 2016, without squares in the denominator."""
    from monai.losses.dice import DiceLoss

    loss: Loss = DiceLoss(sigmoid=True, batch=True, smooth_nr=SMOOTH, smooth_dr=SMOOTH)
    return loss


def _bce_dice(_: float) -> Loss:
    """BCE for the calm gradient and the empty frames, Dice over the batch for vessels of few pixels. This
    Dice leaves channels out that are empty in the whole batch.
    """
    from segmentation_models_pytorch.losses import DiceLoss

    dice = DiceLoss("multilabel", smooth=1.0)

    def loss(logits: Tensor, truth: Tensor) -> Tensor:
        total: Tensor = functional.binary_cross_entropy_with_logits(logits, truth) + dice(logits, truth)
        return total

    return loss


def _focal_tversky(_: float) -> Loss:
    """Abraham & Khan 2019, equation 4: (1 - Tversky index) ^ (1 / gamma), per class; missed pixels weigh more
    than false ones.
    """
    from monai.losses.tversky import TverskyLoss

    tversky = TverskyLoss(
        sigmoid=True,
        batch=True,
        alpha=FALSE_ALARM,
        beta=MISSED,
        smooth_nr=SMOOTH,
        smooth_dr=SMOOTH,
        reduction="none",
    )

    def loss(logits: Tensor, truth: Tensor) -> Tensor:
        return tversky(logits, truth).clamp_min(LEAST).pow(1 / GAMMA).mean()  # type: ignore[no-any-return]

    return loss


def _boundary(share: float) -> Loss:
    """Kervadec et al. 2019, equation 5: the mean over all pixels of (probability - truth) times the signed
    distance px to the true contour, so that the truth costs 0; together with BCE + Dice, from which it takes
    over more and more (their "rebalancing", but only up to a half: the distance says nothing of an absent
    class).
    """
    region, weight = _bce_dice(share), EDGE_FIRST + (EDGE_LAST - EDGE_FIRST) * share

    def loss(logits: Tensor, truth: Tensor) -> Tensor:
        edge = ((logits.sigmoid() - truth) * signed_distances(truth)).mean()
        return (1 - weight) * region(logits, truth) + weight * edge

    return loss


def _ssim_bce_dice(share: float) -> Loss:
    """BCE per pixel, SSIM per patch, overlap per batch: Qin et al. 2019 (BASNet), with Dice for their IoU."""
    from monai.losses.ssim_loss import SSIMLoss

    rest, ssim = _bce_dice(share), SSIMLoss(spatial_dims=2, data_range=1.0)

    def loss(logits: Tensor, truth: Tensor) -> Tensor:
        total: Tensor = rest(logits, truth) + ssim(logits.sigmoid(), truth)
        return total

    return loss


def _cldice(share: float) -> Loss:
    """Shit et al. 2021, equations 1 and 2: half Dice, half the overlap of centre lines: how much of each
    skeleton lies within the other mask.
    """
    from monai.losses.cldice import soft_skel

    dice = _dice(share)

    def inside(mask: Tensor, other: Tensor) -> Tensor:
        skeleton = soft_skel(mask, SKELETON_STEPS)
        return _pixels(skeleton * other).add(SMOOTH) / _pixels(skeleton).add(SMOOTH)

    def loss(logits: Tensor, truth: Tensor) -> Tensor:
        probs = logits.sigmoid()
        precision, sensitivity = inside(probs, truth), inside(truth, probs)  # (C,)
        lines = 1 - 2 * precision * sensitivity / (precision + sensitivity)
        return (dice(logits, truth) + lines.mean()) / 2

    return loss


def _pixels(maps: Tensor) -> Tensor:
    """Sum over the batch, (N, C, S, S) to (C,)."""
    return maps.sum(dim=(0, 2, 3))


LOSSES: dict[str, Callable[[float], Loss]] = {
    "bce": _bce,
    "bce+dice": _bce_dice,
    "boundary": _boundary,
    "cldice": _cldice,
    "dice": _dice,
    "focal-tversky": _focal_tversky,
    "ssim+bce+dice": _ssim_bce_dice,
}
