"""A file that holds all a training needs to go on as if nothing had happened; `trainer.keeping` says when it
is written.

Batches, augmentation and learning rates follow from seed and epoch, so weights, the optimiser's moments and
a few numbers are the whole state. One file, because two could disagree after a crash: the best weights, which
seldom change, lie beside it under the number of their epoch, and the checkpoint names it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from loop.errors import BadWeights, NotFound
from trainer.averaging import Average
from trainer.durable import write_whole
from trainer.job import JobSpec
from trainer.networks.rates import atrous_rates
from trainer.weights import from_bytes, read_weights, to_bytes

CHECKPOINT = "checkpoint.safetensors"
BEST = "best-{epoch}.safetensors"


@dataclass
class Progress:
    """Where a training is: epochs done (0: none), the best of those judged and how many looks in a row found
    no better one, the precision once resolved.
    """

    precision: str
    epoch: int = 0
    best_epoch: int = 0
    best_dice: float | None = None
    scaler: Mapping[str, Any] | None = None
    looks_in_vain: int = 0


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint as read; `restore` puts it to work."""

    progress: Progress
    tensors: Mapping[str, Tensor]
    best: Mapping[str, Tensor]

    def restore(self, network: nn.Module, optimizer: Optimizer, average: Average | None = None) -> None:
        """Fill a network, its optimiser and its average, made as they were for the training that was
        interrupted.
        """
        network.load_state_dict(_under("network.", self.tensors))
        if average is not None:
            average.restore(_under("average.", self.tensors))
        state: dict[int, dict[str, Tensor]] = {}
        for name, tensor in _under("optimizer.", self.tensors).items():
            index, key = name.split(".", 1)
            state.setdefault(int(index), {})[key] = tensor
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        for number, moments in state.items():
            like = parameters[number]
            for key, tensor in moments.items():
                if tensor.shape == like.shape:
                    # Files know no memory layout, and a step's last bits depend on it.
                    moments[key] = torch.empty_like(like, requires_grad=False).copy_(tensor)
        optimizer.load_state_dict(optimizer.state_dict() | {"state": state})


def fingerprint(job: JobSpec) -> str:
    """SHA-256 of all that decides a training's outcome: a checkpoint of another job is not gone on with, one
    from before an upgrade is.
    """
    samples = [(s.frame_id, s.split, s.image.name, s.mask.name) for s in job.samples]
    base = job.base_digest or job.base
    deciding = [job.recipe.deciding(), job.classes, job.prior_class, job.seed, base, sorted(samples)]
    if rates := atrous_rates(job.recipe.network):  # tensors of other rates would fit
        deciding.append(rates)
    return hashlib.sha256(json.dumps(deciding).encode()).hexdigest()


def state_tensors(
    network: nn.Module, optimizer: Optimizer, average: Average | None = None
) -> dict[str, Tensor]:
    """Give a training's tensors as a checkpoint names them: not copies, so the next step changes them."""
    state = optimizer.state_dict()["state"]
    moments = {f"{i}.{key}": value for i, values in state.items() for key, value in values.items()}
    tensors = _named("network.", network.state_dict()) | _named("optimizer.", moments)
    return tensors | (_named("average.", average.tensors) if average else {})


def save_checkpoint(folder: Path, job: JobSpec, progress: Progress, tensors: Mapping[str, Tensor]) -> None:
    """Replace the folder's checkpoint. Raises OutOfSpace; the older checkpoint is whole then."""
    notes = {"fingerprint": fingerprint(job), "progress": asdict(progress)}
    write_whole(folder / CHECKPOINT, to_bytes(tensors, notes))


def save_best(folder: Path, epoch: int, tensors: Mapping[str, Tensor]) -> None:
    """Keep these weights as the best so far; called before `save_checkpoint`, which says that they are."""
    write_whole(folder / BEST.format(epoch=epoch), to_bytes(tensors, {}))


def load_best(folder: Path, epoch: int) -> dict[str, Tensor]:
    """Read what `save_best` kept. Raises NotFound, BadWeights."""
    return from_bytes(read_weights(folder / BEST.format(epoch=epoch)))[0]


def drop_other_bests(folder: Path, epoch: int) -> None:
    """Remove the best weights that no checkpoint names any more."""
    for path in folder.glob(BEST.format(epoch="*")):
        if path.name != BEST.format(epoch=epoch):
            path.unlink(missing_ok=True)


def load_checkpoint(folder: Path, job: JobSpec) -> Checkpoint | None:
    """Read a folder's checkpoint; None when there is none that is whole and of this very job: then begin
    anew.
    """
    try:
        tensors, notes = from_bytes(read_weights(folder / CHECKPOINT))
        progress = Progress(**notes["progress"])
        best = load_best(folder, progress.best_epoch) if progress.best_epoch else {}
    except (NotFound, BadWeights, KeyError, TypeError):
        return None
    is_same = notes["fingerprint"] == fingerprint(job)
    return Checkpoint(progress, tensors, best) if is_same else None


def _named(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + name: tensor for name, tensor in tensors.items()}


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {n.removeprefix(prefix): tensor for n, tensor in tensors.items() if n.startswith(prefix)}
