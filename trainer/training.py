"""Training: begin or go on where a checkpoint ends, one report an epoch."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from statistics import fmean

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from loop.errors import BadInput
from loop.training_records import Split
from trainer.averaging import Average
from trainer.becoming import as_its_base, first_network
from trainer.checkpoint import Progress, load_checkpoint, save_best, state_tensors
from trainer.choosing import is_given_up, judge, keep_if_best
from trainer.dataset import AHEAD, FrameSet, training_batches
from trainer.endings import NonFiniteLoss, Stopped
from trainer.freezing import freeze_before, set_training, trained_parameters
from trainer.job import JobSpec
from trainer.keeping import Clock, Keeper
from trainer.losses import build_loss, targets
from trainer.networks.base import Network
from trainer.optimisation import build_optimizer, learning_rate, set_learning_rate
from trainer.precision import autocast, find_device, resolve_precision


@dataclass(frozen=True)
class EpochReport:
    """What one epoch gave: `loss` its mean, `dice` the latest judgement on the inner split (None: none
    yet). When the recipe's patience ends the training, `stopped_early` is true and `epochs` the number of
    those it took.
    """

    epoch: int
    epochs: int
    loss: float
    dice: float | None
    seconds: float
    eta_seconds: float
    stopped_early: bool = False


@dataclass(frozen=True)
class Step:
    """Where a training is between two steps: `step` of `steps` done, `loss` the epoch's mean so far."""

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float | None


Watch = Callable[[Step], None]
MOST_MAKERS = 8


@dataclass
class Training:
    """A training under way: `frozen` stages stay as they are, `absent` classes no training frame holds.
    `epochs` are those planned, and once it has ended those it took.
    """

    job: JobSpec
    frames: FrameSet
    inner: FrameSet
    network: Network
    optimizer: Optimizer
    scaler: torch.amp.GradScaler
    device: torch.device
    progress: Progress
    epochs: int
    keeper: Keeper
    average: Average | None = None
    frozen: tuple[nn.Module, ...] = ()
    absent: tuple[str, ...] = ()

    @property
    def planned_epochs(self) -> int:
        """What the recipe asks for on these frames."""
        return self.job.recipe.planned_epochs(len(self.frames))

    def as_model(self) -> AbstractContextManager[None]:
        """Within this block the network is what would become the model: its average, where it has one."""
        return self.average.applied_to(self.network) if self.average else nullcontext()

    def at(self, epoch: int, losses: Sequence[float]) -> Step:
        """Say where it is, after so many steps of `epoch`."""
        each = self.job.recipe.steps_per_epoch(len(self.frames))
        done = (epoch - 1) * each + len(losses)
        return Step(epoch, self.epochs, done, self.epochs * each, fmean(losses) if losses else None)


def begin(job: JobSpec, clock: Clock = time.monotonic) -> Training:
    """Read the samples, make the network from its base, restore the checkpoint in `job.resume_from`, if any.
    By `clock` it is decided when checkpoints are written.

    Raises BadInput when no training sample is usable, BadWeights, BadRequest, NotFound, Unavailable.
    """
    device, job = find_device(), as_its_base(job)
    seen = len(job.classes), job.recipe.size, job.recipe.preparation
    frames = FrameSet(job.of_split(Split.TRAIN), *seen)
    inner = FrameSet(job.of_split(Split.INNER), *seen)
    if not len(frames):
        got = f"{len(frames.rejected)} training frames, none usable"
        todo = "label one, or see in the log why each was set aside"
        raise BadInput(got, "at least one", todo)
    network = first_network(job).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    frozen = freeze_before(network.stages(), job.recipe.train_from)
    optimizer = build_optimizer(job.recipe, trained_parameters(network))
    average = Average(network, job.recipe.average) if job.recipe.average else None
    progress = _restored(job, network, optimizer, average) or Progress(
        resolve_precision(job.recipe.precision, device)
    )
    scaler = torch.amp.GradScaler(device.type, enabled=progress.precision == "float16")
    if progress.scaler:
        scaler.load_state_dict(dict(progress.scaler))
    is_over = is_given_up(job.recipe, progress)
    epochs = progress.epoch if is_over else job.recipe.planned_epochs(len(frames))
    absent = absent_classes(frames, job.classes)
    parts = network, optimizer, scaler, device
    return Training(job, frames, inner, *parts, progress, epochs, Keeper(job, clock), average, frozen, absent)


def absent_classes(frames: FrameSet, classes: Sequence[str]) -> tuple[str, ...]:
    """Name the classes of which no prepared frame shows a pixel; looks no further once all were seen."""
    unseen = set(range(1, len(classes) + 1))
    for index in range(len(frames)):
        unseen -= set(np.unique(frames.prepared(index)[1]).tolist())
        if not unseen:
            break
    return tuple(classes[number - 1] for number in sorted(unseen))


def train(training: Training, watch: Watch = lambda _: None) -> Iterator[EpochReport]:
    """Train epoch by epoch, a report after each, and checkpoints as `Keeper` says; `watch` is called between
    steps.

    Raises NonFiniteLoss, OutOfSpace, and what `watch` raises: Stopped, to end it.
    """
    try:
        yield from _train(training, watch)
    except (Stopped, BrokenPipeError, GeneratorExit):
        training.keeper.flush()  # asked to end, or nobody listens: the last whole epoch is not lost
        raise


def _train(training: Training, watch: Watch) -> Iterator[EpochReport]:
    job, recipe, progress = training.job, training.job.recipe, training.progress
    dice = progress.best_dice
    # The same threads for all epochs: Python waits for ever for a new one that finds no memory to begin in.
    with ThreadPoolExecutor(batch_makers(training.device, job.threads)) as maker:
        while progress.epoch < training.epochs:
            epoch, began = progress.epoch + 1, time.monotonic()
            torch.manual_seed(_seed(job.seed, epoch))
            losses = _train_epoch(training, epoch, watch, maker)
            if recipe.looks_at(epoch, training.epochs):
                with training.as_model():
                    dice = judge(training, partial(watch, training.at(epoch, losses)))
                    keep_if_best(training, epoch, dice)
                training.epochs = epoch if is_given_up(recipe, progress) else training.epochs
            progress.epoch, progress.scaler = epoch, training.scaler.state_dict()
            tensors = state_tensors(training.network, training.optimizer, training.average)
            training.keeper.end_epoch(progress, tensors, epoch == training.epochs)
            yield _report(training, fmean(losses), dice, time.monotonic() - began)


def batch_makers(device: torch.device, threads: int) -> int:
    """How many threads make batches: one beside a processor that trains, several for a GPU, which is done
    with a batch before one thread has the next.
    """
    return 1 if device.type == "cpu" else max(1, min(threads, MOST_MAKERS))


def _report(training: Training, loss: float, dice: float | None, seconds: float) -> EpochReport:
    epoch, epochs = training.progress.epoch, training.epochs
    is_early = epochs < training.planned_epochs
    return EpochReport(epoch, epochs, loss, dice, seconds, seconds * (epochs - epoch), is_early)


def _train_epoch(training: Training, epoch: int, watch: Watch, maker: Executor) -> list[float]:
    job, recipe, progress, device = training.job, training.job.recipe, training.progress, training.device
    criterion, losses = build_loss(recipe.loss, (epoch - 1) / max(1, training.epochs - 1)), list[float]()
    set_training(training.network, training.frozen)
    ahead = AHEAD * batch_makers(device, job.threads)
    for images, index_maps in training_batches(training.frames, recipe, job.seed, epoch, maker, ahead):
        now = training.at(epoch, losses)
        watch(now)
        set_learning_rate(training.optimizer, learning_rate(recipe, now.step, now.steps))
        truth = targets(index_maps.to(device), len(job.classes))  # (N, C, S, S)
        with autocast(progress.precision, device):
            logits = training.network(images.to(device))  # (N, C, S, S)
        loss = criterion(logits.float(), truth)
        losses.append(_finite(loss.item(), epoch))
        _step(training, loss)
        if training.average is not None:
            training.average.update(training.network, now.step)
    return losses


def _step(training: Training, loss: Tensor) -> None:
    """Go one step down the loss's gradient."""
    optimizer, scaler, longest = training.optimizer, training.scaler, training.job.recipe.clip_norm
    optimizer.zero_grad(set_to_none=True)
    scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
    if longest:
        scaler.unscale_(optimizer)  # float16 gradients are scaled up: they are measured as they are
        nn.utils.clip_grad_norm_(trained_parameters(training.network), longest)
    scaler.step(optimizer)
    scaler.update()


def _restored(
    job: JobSpec, network: nn.Module, optimizer: Optimizer, average: Average | None
) -> Progress | None:
    found = load_checkpoint(job.resume_from, job) if job.resume_from else None
    if found is None:
        return None
    found.restore(network, optimizer, average)
    if found.best:
        # This attempt's folder must do without the earlier one.
        save_best(job.out, found.progress.best_epoch, found.best)
    return found.progress


def _seed(seed: int, epoch: int) -> int:
    return int(np.random.SeedSequence([seed, epoch]).generate_state(1)[0])


def _finite(loss: float, epoch: int) -> float:
    if not math.isfinite(loss):
        raise NonFiniteLoss(f"a loss of {loss}", "a finite one", "lower the learning rate", epoch=epoch)
    return loss
