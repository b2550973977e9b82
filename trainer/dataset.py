"""Frames with their truth as a training wants them: checked once, kept prepared, drawn in seeded batches."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from itertools import chain, islice
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from loop.errors import BadFrame, BadInput
from loop.masks import Mask, check_mask, exclusive, index_map, unpack
from trainer.augmentation import Augmentation
from trainer.endings import wants_memory
from trainer.job import Sample
from trainer.preparation import PLAIN, Preparation
from trainer.preprocess import look, normalise, padded, prepare, prepare_indices
from trainer.recipes import Recipe
from trainer.tiles import Grid, cut, cut_all, draw_corner, in_chunks, lay_grid, stitch

Prepared = tuple[NDArray[np.uint8], NDArray[np.uint8]]
"""Picture and index map, uint8 (h, w) each: (S, S) in a box, no side below S where it is cut into tiles."""
Batch = tuple[Tensor, Tensor]
"""Float32 (N, 1, S, S), channels last, and uint8 class indices (N, S, S)."""
KEPT_BYTES = 1 << 30
AHEAD = 2
TILE_DRAW = 1
"""Added to a frame's seed, so that its tile is drawn by other numbers than its augmentation."""

Item = TypeVar("Item")
Made = TypeVar("Made")


def read_image(path: Path, frame_id: int) -> NDArray[np.uint8]:
    """Read a stored frame, uint8 (H, W). Raises BadFrame for anything but an 8-bit grey picture."""
    try:
        image = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)
    except (OSError, cv2.error) as exc:
        if wants_memory(exc):
            raise
        todo = "fetch the file from a backup"
        raise BadFrame("a frame that cannot be read", "an 8-bit grey PNG", todo, frame=frame_id) from exc
    if image is None or image.ndim != 2 or image.dtype != np.uint8:
        todo = "fetch the file from a backup: it was changed since it was taken in"
        raise BadFrame("a frame that is not 8-bit grey", "the one stored by import", todo, frame=frame_id)
    return np.asarray(image, np.uint8)


def read_sample(sample: Sample, classes: int) -> tuple[NDArray[np.uint8], Mask]:
    """Read a frame uint8 (H, W) and its truth bool (C, H, W), of several classes on one pixel the first: no
    answer holds more, so it could not be scored in full. Raises BadFrame, BadMask when they do not fit.
    """
    image = read_image(sample.image, sample.frame_id)
    try:
        data = sample.mask.read_bytes()
    except OSError as exc:
        got, need, todo = "a mask that cannot be read", "the one stored by ingest", "fetch it from a backup"
        raise BadInput(got, need, todo, frame=sample.frame_id) from exc
    return image, exclusive(check_mask(unpack(data), classes, *image.shape))[0]


class FrameSet:
    """The usable ones of some samples, by index 0..len-1; up to 1 GB of prepared ones stays in memory.

    Those that cannot be used are in `rejected` with their errors; reading goes on without them.
    """

    def __init__(
        self, samples: Iterable[Sample], classes: int, size: int, preparation: Preparation = PLAIN
    ) -> None:
        self.samples: list[Sample] = []
        self.rejected: list[tuple[Sample, BadInput]] = []
        self.size, self.preparation = size, preparation
        self._classes = classes
        self._kept: dict[int, Prepared] = {}
        room = KEPT_BYTES
        for sample in samples:
            try:
                prepared = self._read(sample)
            except BadInput as exc:
                self.rejected.append((sample, exc))
                continue
            if room > 0:
                room -= 2 * prepared[0].size
                self._kept[len(self.samples)] = prepared
            self.samples.append(sample)

    def __len__(self) -> int:
        return len(self.samples)

    def prepared(self, index: int) -> Prepared:
        """Give one frame and its class indices as they are prepared."""
        return self._kept.get(index) or self._read(self.samples[index])

    def grid_of(self, picture: NDArray[np.uint8]) -> Grid:
        """Lay the tiles on a prepared picture by which it is judged: a single one on a box."""
        height, width = picture.shape
        return lay_grid(height, width, self.size, self.preparation.tile_overlap)

    def _read(self, sample: Sample) -> Prepared:
        image, mask = read_sample(sample, self._classes)
        view = look(image, self.size, self.preparation)
        picture = prepare(image, view, self.preparation)
        return padded(picture, self.size), padded(prepare_indices(index_map(mask)[0], view), self.size)


def training_batches(
    frames: FrameSet, recipe: Recipe, seed: int, epoch: int, maker: Executor, ahead: int = AHEAD
) -> Iterator[Batch]:
    """Draw the batches of one epoch, augmented; they depend on the arguments alone, so any epoch can be
    repeated, and any number of threads makes the same. `maker` makes them, `ahead` of them at once.
    """
    pipelines = threading.local()  # a pipeline serves one thread
    batches = _draw(len(frames), recipe, np.random.default_rng([seed, epoch]))

    def make(step: int) -> Batch:
        if not hasattr(pipelines, "own"):
            pipelines.own = Augmentation(recipe.augmentation)
        augmentation: Augmentation = pipelines.own
        pairs = []
        for place, index in enumerate(batches[step].tolist()):
            own = (seed, epoch, step, place)
            # The whole picture is changed before a tile is cut: depth and borders are those of the frame.
            pairs.append(_one_tile(augmentation(*frames.prepared(index), own), frames, own))
        return to_batch(pairs)

    return _made_ahead(maker, make, range(len(batches)), ahead)


def _one_tile(pair: Prepared, frames: FrameSet, seed: Sequence[int]) -> Prepared:
    """A random tile of a picture, around a pixel of a class as often as it should be; a box is one itself."""
    picture, indices = pair
    if picture.shape == (frames.size, frames.size):
        return pair
    generator = np.random.default_rng([*seed, TILE_DRAW])
    has_class = bool(generator.random() < frames.preparation.vessel_tiles)
    y, x = draw_corner(generator, indices, frames.size, has_class)
    return cut(picture, y, x, frames.size), cut(indices, y, x, frames.size)


def _draw(frames: int, recipe: Recipe, generator: np.random.Generator) -> NDArray[np.int64]:
    """Indices of one epoch's frames, (steps, batch): every frame once before any comes again."""
    shape = recipe.steps_per_epoch(frames), recipe.batch
    passes = math.ceil(shape[0] * shape[1] / frames)
    order = np.concatenate([generator.permutation(frames) for _ in range(passes)])
    return order[: shape[0] * shape[1]].reshape(shape)


def answers(
    frames: FrameSet, batch: int, ask: Callable[[Tensor], Tensor]
) -> Iterator[tuple[NDArray[np.float32], Tensor]]:
    """Let a network see all frames in order, not augmented, `batch` boxes or tiles at once.

    `ask` gives probabilities (N, C, S, S) for float32 (N, 1, S, S). Yields those of each frame, float32
    (C, h, w), stitched where it is cut into tiles, and its class indices uint8 (h, w).
    """
    together = 1 if frames.preparation.tiles else batch
    for some in in_chunks(range(len(frames)), together):
        pairs = [frames.prepared(index) for index in some]
        grids = [frames.grid_of(picture) for picture, _ in pairs]
        tiles = chain.from_iterable(cut_all(p, grid) for (p, _), grid in zip(pairs, grids, strict=True))
        found = chain.from_iterable(ask(to_images(chunk)).numpy() for chunk in in_chunks(tiles, batch))
        for (_, indices), grid in zip(pairs, grids, strict=True):
            yield stitch(islice(found, len(grid)), grid), torch.from_numpy(indices)


def to_images(pictures: Sequence[NDArray[np.uint8]]) -> Tensor:
    """Stack grey uint8 (S, S) into a network's input, float32 (N, 1, S, S), channels last."""
    images = torch.from_numpy(np.stack([normalise(picture) for picture in pictures]))
    return images.contiguous(memory_format=torch.channels_last)


def to_batch(pairs: Sequence[Prepared]) -> Batch:
    """Stack boxes or tiles into a batch."""
    index_maps = torch.from_numpy(np.stack([indices for _, indices in pairs]))
    return to_images([image for image, _ in pairs]), index_maps


def _made_ahead(
    maker: Executor, make: Callable[[Item], Made], items: Iterable[Item], ahead: int
) -> Iterator[Made]:
    """Map in order, some items ahead: the next batch is ready when the step before it ends."""
    waiting: deque[Future[Made]] = deque()
    for item in items:
        waiting.append(maker.submit(make, item))
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
