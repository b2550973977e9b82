"""Phantoms drawn once, by several processes, into one folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainer.phantoms import blend_scanners, draw_clip, vessel_mask
from trainer.preprocess import letterbox, mask_to_box
from trainer.processes import map_in_processes

_SHARD = 50
_DRAWN = 2
"""Phantoms are drawn at this many times the size that is trained on, and shrunk as real frames are."""


@dataclass(frozen=True)
class PhantomSet:
    """Boxed phantoms: images uint8 (N, S, S) and masks uint8 (N, S, S) of 0 and 1 (vein or artery)."""

    images: NDArray[np.uint8]
    masks: NDArray[np.uint8]


def draw_set(
    folder: Path, n_frames: int, size: int, seed: int, workers: int, progress: Callable[[int, int], None]
) -> PhantomSet:
    """Draw n_frames phantoms of `size` px into `folder`, or read those that an earlier call left there.

    `progress(drawn, n_frames)` is called after every shard of 50.
    """
    folder.mkdir(parents=True, exist_ok=True)
    starts = range(0, n_frames, _SHARD)
    draw = partial(_draw_shard, folder, size, seed, n_frames)
    for done, _ in enumerate(_mapped(draw, starts, workers), start=1):
        progress(min(n_frames, done * _SHARD), n_frames)
    return _read(folder, size, seed, starts, n_frames)


def _mapped(draw: Callable[[int], None], starts: Sequence[int], workers: int) -> Iterator[None]:
    if workers == 1:
        return map(draw, starts)
    return map_in_processes(draw, starts, workers)


def _shard_path(folder: Path, size: int, seed: int, start: int, stop: int) -> Path:
    return folder / f"phantoms-{size}-{seed}-{start:06d}-{stop:06d}.npy"


def _draw_shard(folder: Path, size: int, seed: int, n_frames: int, start: int) -> None:
    stop = min(n_frames, start + _SHARD)
    path = _shard_path(folder, size, seed, start, stop)
    if path.exists():
        return
    pairs = np.stack([_draw_pair(seed, index, size) for index in range(start, stop)])
    unfinished = path.with_suffix(".tmp.npy")
    np.save(unfinished, pairs)
    unfinished.replace(path)


def _draw_pair(seed: int, index: int, size: int) -> NDArray[np.uint8]:
    """Image and mask (2, size, size) of one phantom, each by a scanner of its own."""
    scanner = blend_scanners(np.random.default_rng([seed, index]))
    clip = draw_clip(seed * 1_000_000 + index, 1, _DRAWN * size, scanner)
    mask = mask_to_box(vessel_mask(clip.masks[0]).astype(np.uint8), size)
    return np.stack([letterbox(clip.images[0], size), mask])


def _read(folder: Path, size: int, seed: int, starts: Sequence[int], n_frames: int) -> PhantomSet:
    pairs = np.concatenate(
        [
            np.load(_shard_path(folder, size, seed, s, min(n_frames, s + _SHARD)), allow_pickle=False)
            for s in starts
        ]
    )
    return PhantomSet(pairs[:, 0], pairs[:, 1])
