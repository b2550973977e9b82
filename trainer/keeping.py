"""When a training's checkpoints are written: at a pace that their own cost sets.

A large network's checkpoint takes seconds to be flushed to the disk, and an epoch on a graphics card may take
one. So after a dear checkpoint the next one waits until ten times as long was trained. What an epoch between
them gave is held in memory, for a training that is asked to stop loses nothing; one that is killed goes on
from the last file, to the same end.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from torch import Tensor

from trainer.checkpoint import Progress, drop_other_bests, save_best, save_checkpoint
from trainer.job import JobSpec

CHEAP_SECONDS = 0.25
"""What a file may cost that is written after every epoch, however short."""
COSTS_BETWEEN = 10
"""So many times what the last checkpoint took is trained before the next: writing takes a tenth at most."""
Clock = Callable[[], float]


class Keeper:
    """Keeps the state of whole epochs in `job.out`; `clock` tells seconds."""

    def __init__(self, job: JobSpec, clock: Clock = time.monotonic) -> None:
        self._job, self._clock = job, clock
        self._best: tuple[int, Mapping[str, Tensor]] | None = None
        self._held: tuple[Progress, Mapping[str, Tensor]] | None = None
        self._cost = 0.0
        self._written_at: float | None = None

    def hold_best(self, epoch: int, weights: Mapping[str, Tensor]) -> None:
        """Remember these weights as the best so far. They are written with the checkpoint that says so and
        not before: an older checkpoint must find the best that it knew.
        """
        self._best = epoch, _copied(weights)

    def end_epoch(self, progress: Progress, tensors: Mapping[str, Tensor], is_last: bool) -> None:
        """Write the state after a whole epoch, or hold it. The last epoch is always written, and the first of
        this process, whose cost nobody knows yet. Raises OutOfSpace.
        """
        self._held = None  # before another one is copied: two would take twice the memory
        if is_last or self._is_due():
            self._write(progress, tensors)
        else:
            self._held = replace(progress), _copied(tensors)

    def flush(self) -> None:
        """Write what is held, if anything is. Raises OutOfSpace."""
        if self._held is not None:
            self._write(*self._held)

    def _is_due(self) -> bool:
        if self._written_at is None or self._cost < CHEAP_SECONDS:
            return True
        return self._clock() - self._written_at >= COSTS_BETWEEN * self._cost

    def _write(self, progress: Progress, tensors: Mapping[str, Tensor]) -> None:
        began = self._clock()
        if self._best is not None:
            save_best(self._job.out, *self._best)
        save_checkpoint(self._job.out, self._job, progress, tensors)
        drop_other_bests(self._job.out, progress.best_epoch)
        self._best = self._held = None
        self._written_at = self._clock()
        self._cost = self._written_at - began


def _copied(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """In the computer's own memory: a graphics card's may be all taken."""
    return {name: tensor.detach().to("cpu", copy=True) for name, tensor in tensors.items()}
