"""What a training begins as and what becomes of it: the first network, and the model's file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from trainer.augmentation import Augmentation
from trainer.checkpoint import load_best
from trainer.job import IMAGENET, JobSpec, check_base
from trainer.networks import build_network
from trainer.networks.base import Network
from trainer.networks.rates import before_rates
from trainer.weights import adapt, describe, load_weights, read_description, save_weights

if TYPE_CHECKING:
    from trainer.training import Training

MODEL = "model.safetensors"


def as_its_base(job: JobSpec) -> JobSpec:
    """The job with the network that its base really is, where the base lent its name to another one: a
    project that began on such weights goes on with them. A new one of the two is refused when it is made.

    Raises BadWeights, NotFound.
    """
    if job.base in (None, IMAGENET) or before_rates(job.recipe.network) == job.recipe.network:
        return job
    network = read_description(Path(str(job.base)))["network"]
    is_older = network == before_rates(job.recipe.network)
    return replace(job, recipe=replace(job.recipe, network=network)) if is_older else job


def first_network(job: JobSpec) -> Network:
    """Make the network before its first step: from the base weights, or seeded from scratch."""
    torch.manual_seed(job.seed)
    name, classes = job.recipe.network, len(job.classes)
    if job.base in (None, IMAGENET):
        return build_network(name, classes, job.base)
    network, config = load_weights(Path(str(job.base)), job.base_digest)
    check_base(job.recipe, config["network"])
    return adapt(network, config, job.classes, job.prior_class)


def finish(training: Training) -> tuple[Path, str, dict[str, Any]]:
    """Write the best epoch's weights as the model: its path, digest and description. Raises OutOfSpace."""
    job, progress = training.job, training.progress
    share = job.recipe.share_of_base(len(training.frames))
    training.network.load_state_dict(_with_base(job, load_best(job.out, progress.best_epoch), share))
    config = describe(
        job.recipe.network,
        job.classes,
        job.recipe.size,
        job.recipe.preparation,
        prior=job.prior_class,
        smallest=job.recipe.smallest,
        recipe=job.recipe.to_dict(),
        augmentation=Augmentation(job.recipe.augmentation).as_dict,
        precision=progress.precision,
        seed=job.seed,
        threads=job.threads,
        base=job.origin,
        epoch=progress.best_epoch,
    )
    path = job.out / MODEL
    return path, save_weights(path, training.network, config), config


def _with_base(job: JobSpec, tuned: dict[str, Tensor], share: float) -> dict[str, Tensor]:
    """The trained weights with a share of those that they began as. With several classes the head
    is left out, because the base knows one of them only.
    """
    if not share or job.base in (None, IMAGENET):
        return tuned
    first = first_network(job)
    base, head = first.state_dict(), first.head_names()
    is_shared = {
        name: tensor.is_floating_point() and (len(job.classes) == 1 or name not in head)
        for name, tensor in tuned.items()
    }
    return {
        name: torch.lerp(tensor, base[name].to(tensor), share) if is_shared[name] else tensor
        for name, tensor in tuned.items()
    }
