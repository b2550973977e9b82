"""The pretraining loop: phantoms in, fp16 base weights out, resumable after any epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainer.augmentation import Augmentation
from trainer.losses import build_loss, targets
from trainer.networks import DEFAULT_NETWORK, build_network
from trainer.preprocess import image_to_tensor, mask_to_box
from trainer.pretraining.appearance import vary_appearance
from trainer.pretraining.cache import PhantomSet, draw_set
from trainer.pretraining.state import TrainingState
from trainer.weights import describe, save_weights


@dataclass(frozen=True)
class PretrainingConfig:
    """How base weights are made; saved in the weights' metadata."""

    n_frames: int = 1450
    epochs: int = 7
    seed: int = 0
    size: int = 256
    early_size: int = 160
    """Size px of the first epochs, where a coarse picture teaches as much for two fifths of the time."""
    early_epochs: int = 5
    batch: int = 8
    peak_rate: float = 1e-3
    weight_decay: float = 1e-2
    average: float = 0.998
    """Decay per step of the running mean of the weights, which is what is kept."""
    workers: int = 2
    threads: int = 2
    has_bf16: bool = True


@dataclass(frozen=True)
class Progress:
    """What pretraining reports: phantoms drawn, then steps taken with the loss of the last one."""

    stage: str
    done: int
    total: int
    loss: float | None = None


def pretrain(
    out_dir: Path,
    config: PretrainingConfig,
    progress: Callable[[Progress], None],
    after_epoch: Callable[[int, torch.nn.Module], None] | None = None,
) -> Path:
    """Draw phantoms, train on them and write `out_dir/base-v0.safetensors` (fp16); gives its path.

    A second call with the same arguments goes on after the last whole epoch. `after_epoch(epoch, network)`
    sees the averaged network in eval mode.
    """
    torch.set_num_threads(config.threads)
    phantoms = draw_set(
        out_dir / "phantoms",
        config.n_frames,
        config.size,
        config.seed,
        config.workers,
        lambda done, total: progress(Progress("phantoms", done, total)),
    )
    torch.manual_seed(config.seed)
    state = TrainingState(
        build_network(DEFAULT_NETWORK, 1), config.peak_rate, config.weight_decay, config.average
    )
    first = state.resume(out_dir / "checkpoint.safetensors")
    for epoch in range(first, config.epochs):
        _train_epoch(state, phantoms, config, epoch, progress)
        state.save(out_dir / "checkpoint.safetensors", epoch + 1)
        if after_epoch is not None:
            after_epoch(epoch, state.averaged)
    path = out_dir / "base-v0.safetensors"
    description = describe(DEFAULT_NETWORK, ["vessel"], config.size, recipe=asdict(config))
    save_weights(path, state.averaged, description, half=True)
    return path


def _train_epoch(
    state: TrainingState,
    phantoms: PhantomSet,
    config: PretrainingConfig,
    epoch: int,
    progress: Callable[[Progress], None],
) -> None:
    steps = len(phantoms.images) // config.batch
    loss_of = build_loss("bce+dice")
    state.network.train()
    for step, (images, masks) in enumerate(_batches(phantoms, config, epoch)):
        done = epoch * steps + step
        state.set_rate(one_cycle(done / (config.epochs * steps)))
        with torch.autocast("cpu", torch.bfloat16, enabled=config.has_bf16):
            logits = state.network(images.contiguous(memory_format=torch.channels_last))  # (B, 1, S, S)
        loss = loss_of(logits.float(), targets(masks, 1))
        state.step(loss)
        progress(Progress("training", done + 1, config.epochs * steps, float(loss.detach())))


def one_cycle(share: float) -> float:
    """Learning rate as a share of its peak: up by a cosine for three tenths, then down to nearly nothing.

    Source: Smith and Topin, Super-convergence, 2018.
    """
    if share < 0.3:
        return float(0.04 + 0.96 * (0.5 - 0.5 * np.cos(np.pi * share / 0.3)))
    return float(0.5 + 0.5 * np.cos(np.pi * (share - 0.3) / 0.7)) * 0.9999 + 1e-4


def _batches(phantoms: PhantomSet, config: PretrainingConfig, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
    augment = Augmentation("strong")
    order = np.random.default_rng([config.seed, epoch]).permutation(len(phantoms.images))
    for start in range(0, len(order) - config.batch + 1, config.batch):
        pairs = [
            _augmented(phantoms, augment, config, epoch, int(i)) for i in order[start : start + config.batch]
        ]
        images, masks = (np.stack(part) for part in zip(*pairs, strict=True))
        yield torch.from_numpy(images), torch.from_numpy(masks)


def _augmented(
    phantoms: PhantomSet, augment: Augmentation, config: PretrainingConfig, epoch: int, index: int
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    seed = (config.seed, epoch, index)
    image, mask = augment(phantoms.images[index], phantoms.masks[index], seed)
    image, mask = vary_appearance(np.random.default_rng(seed), image, mask)
    size = config.early_size if epoch < config.early_epochs else config.size
    return image_to_tensor(image, size), mask_to_box(mask, size)
