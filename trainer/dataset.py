"""Frames with their truth as a training wants them: checked once, kept in their boxes, drawn in seeded
batches.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from loop.errors import BadFrame, BadInput
from loop.masks import Mask, check_mask, index_map, unpack
from trainer.augmentation import Augmentation
from trainer.endings import wants_memory
from trainer.job import Sample
from trainer.preprocess import letterbox, mask_to_box, normalise
from trainer.recipes import Recipe

Boxed = tuple[NDArray[np.uint8], NDArray[np.uint8]]
"""Picture and index map in the box, uint8 (S, S) each."""
Batch = tuple[Tensor, Tensor]
"""Float32 (N, 1, S, S), channels last, and uint8 class indices (N, S, S)."""
KEPT_BYTES = 1 << 30
AHEAD = 2

Item = TypeVar("Item")
Made = TypeVar("Made")


def read_image(path: Path, frame_id: int) -> NDArray[np.uint8]:
    """Read a stored frame, uint8 (H, W). Raises BadFrame for anything but an 8-bit grey picture."""
    try:
        image = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)
    except (OSError, cv2.error) as exc:
        if wants_memory(exc):
            raise
        raise BadFrame("a frame that cannot be read", "an 8-bit grey PNG", frame=frame_id) from exc
    if image is None or image.ndim != 2 or image.dtype != np.uint8:
        raise BadFrame("a frame that is not 8-bit grey", "one stored by import", frame=frame_id)
    return np.asarray(image, np.uint8)


def read_sample(sample: Sample, classes: int) -> tuple[NDArray[np.uint8], Mask]:
    """Read a frame uint8 (H, W) and its truth bool (C, H, W). Raises BadFrame, BadMask when they do not
    fit.
    """
    image = read_image(sample.image, sample.frame_id)
    try:
        data = sample.mask.read_bytes()
    except OSError as exc:
        raise BadInput("a mask that cannot be read", "one stored by ingest", frame=sample.frame_id) from exc
    return image, check_mask(unpack(data), classes, *image.shape)


class FrameSet:
    """The usable ones of some samples, by index 0..len-1; up to 1 GB of boxes stays in memory.

    Those that cannot be used are in `rejected` with their errors; reading goes on without them.
    """

    def __init__(self, samples: Iterable[Sample], classes: int, size: int) -> None:
        self.samples: list[Sample] = []
        self.rejected: list[tuple[Sample, BadInput]] = []
        self._classes, self._size = classes, size
        self._kept: dict[int, Boxed] = {}
        for sample in samples:
            try:
                boxed = self._read(sample)
            except BadInput as exc:
                self.rejected.append((sample, exc))
                continue
            if len(self._kept) * 2 * size * size < KEPT_BYTES:
                self._kept[len(self.samples)] = boxed
            self.samples.append(sample)

    def __len__(self) -> int:
        return len(self.samples)

    def boxed(self, index: int) -> Boxed:
        """Give one frame and its class indices in the box."""
        return self._kept.get(index) or self._read(self.samples[index])

    def _read(self, sample: Sample) -> Boxed:
        image, mask = read_sample(sample, self._classes)
        return letterbox(image, self._size), mask_to_box(index_map(mask)[0], self._size)


def training_batches(
    frames: FrameSet, recipe: Recipe, seed: int, epoch: int, maker: Executor
) -> Iterator[Batch]:
    """Draw the batches of one epoch, augmented; they depend on the arguments alone, so any epoch can be
    repeated. `maker` makes them, a few ahead.
    """
    augmentation = Augmentation(recipe.augmentation)
    batches = _draw(len(frames), recipe, np.random.default_rng([seed, epoch]))

    def make(step: int) -> Batch:
        drawn = enumerate(batches[step].tolist())
        return to_batch([augmentation(*frames.boxed(i), (seed, epoch, step, place)) for place, i in drawn])

    return _made_ahead(maker, make, range(len(batches)))


def _draw(frames: int, recipe: Recipe, generator: np.random.Generator) -> NDArray[np.int64]:
    """Indices of one epoch's frames, (steps, batch): every frame once before any comes again."""
    shape = recipe.steps_per_epoch(frames), recipe.batch
    passes = math.ceil(shape[0] * shape[1] / frames)
    order = np.concatenate([generator.permutation(frames) for _ in range(passes)])
    return order[: shape[0] * shape[1]].reshape(shape)


def plain_batches(frames: FrameSet, batch: int) -> Iterator[Batch]:
    """Give all frames in order, not augmented."""
    for start in range(0, len(frames), batch):
        yield to_batch([frames.boxed(i) for i in range(start, min(start + batch, len(frames)))])


def to_batch(pairs: Sequence[Boxed]) -> Batch:
    """Stack boxes into a batch."""
    images = torch.from_numpy(np.stack([normalise(image) for image, _ in pairs]))
    index_maps = torch.from_numpy(np.stack([indices for _, indices in pairs]))
    return images.contiguous(memory_format=torch.channels_last), index_maps


def _made_ahead(maker: Executor, make: Callable[[Item], Made], items: Iterable[Item]) -> Iterator[Made]:
    """Map in order, a few items ahead: the next batch is ready when the step before it ends."""
    waiting: deque[Future[Made]] = deque()
    for item in items:
        waiting.append(maker.submit(make, item))
        if len(waiting) > AHEAD:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
