"""The inner split's say: it judges the network, chooses the epoch that becomes the model, and may end a
training early.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from loop.masks import probs_to_mask
from trainer.checkpoint import Progress
from trainer.dataset import answers
from trainer.endings import NonFiniteLoss
from trainer.losses import targets
from trainer.metrics import Scoreboard, count
from trainer.precision import autocast
from trainer.recipes import Recipe

if TYPE_CHECKING:
    from trainer.training import Training

CHOOSING_FRAMES = 20
"""So many frames must the inner split have before it chooses among epochs, or ends a training."""


@torch.inference_mode()
def judge(training: Training, between: Callable[[], None] = lambda: None) -> float | None:
    """Mean Dice over the inner split as prepared, empty frames counted as one; None without an inner split.

    Raises NonFiniteLoss when the network gives anything but numbers.
    """
    training.network.eval()
    board, classes = Scoreboard(), len(training.job.classes)

    def ask(images: Tensor) -> Tensor:
        between()
        with autocast(training.progress.precision, training.device):
            logits: Tensor = training.network(images.to(training.device)).float().cpu()
        if not logits.isfinite().all():
            raise NonFiniteLoss("a network that gives NaN", "finite logits", "lower the learning rate")
        return logits.sigmoid()

    for probs, index_map in answers(training.inner, training.job.recipe.batch, ask):
        truth = targets(index_map[None], classes)[0].bool().numpy()
        board.update(count(probs_to_mask(probs), truth))
    return board.compute().dice_mean_empty_as_one


def keep_if_best(training: Training, epoch: int, dice: float | None) -> None:
    """Of equal epochs the later is kept; the last where the inner split is too small to choose by: on a
    handful of frames chance would choose, and mostly against the end of the schedule.

    Raises NonFiniteLoss for weights that are no numbers, which overwrite nothing.
    """
    progress, weights = training.progress, training.network.state_dict()
    before = progress.best_dice if len(training.inner) >= CHOOSING_FRAMES else None
    is_better = before is None or dice is None or dice > before
    progress.looks_in_vain = 0 if is_better else progress.looks_in_vain + 1
    if is_better or dice == before:
        if not all(tensor.isfinite().all() for tensor in weights.values()):
            raise NonFiniteLoss("weights that are NaN", "finite ones", "lower the learning rate", epoch=epoch)
        training.keeper.hold_best(epoch, weights)
        progress.best_epoch, progress.best_dice = epoch, dice


def is_given_up(recipe: Recipe, progress: Progress) -> bool:
    """Whether so many looks in a row found nothing better that the training ends early."""
    return 0 < recipe.patience <= progress.looks_in_vain
