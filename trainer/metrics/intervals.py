"""Intervals by the cluster bootstrap: clips are drawn, not frames, for those of one recording resemble each
other (Field & Welsh, "Bootstrapping clustered data", 2007).

Every statistic is computed from how often each clip is drawn, so that two models judged by one drawing are
compared in pairs: what both find hard cancels out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loop.errors import BadRequest
from trainer.metrics.counts import Floats

DRAWS = 2000
LEVEL = 0.95
LEAST_CLIPS = 2


@dataclass(frozen=True)
class Interval:
    """Bounds of a percentile interval, None where fewer than two clips define the statistic; `undefined`
    drawings are left out.
    """

    low: float | None
    high: float | None
    undefined: int = 0


@dataclass(frozen=True)
class Resampling:
    """Drawings of clips: `member` int (N,) is the clip of each frame, `weights` float64 (B, G) how often each
    drawing holds each clip.
    """

    member: NDArray[np.intp]
    weights: Floats

    def means(self, values: Floats) -> Floats:
        """Means over the frames of each drawing, float64 (B,), of values (N,); NaN is left out of them."""
        there = ~np.isnan(values)
        sums = self.weights @ self._by_clip(np.where(there, values, 0.0))
        numbers = self.weights @ self._by_clip(there.astype(np.float64))
        return np.asarray(np.divide(sums, numbers, out=np.full(len(sums), np.nan), where=numbers > 0))

    def sums(self, values: NDArray[Any]) -> Floats:
        """Sums over the frames of each drawing, float64 (B, ...), of values (N, ...); a NaN makes all NaN."""
        return np.asarray(np.tensordot(self.weights, self._by_clip(values.astype(np.float64)), axes=1))

    def _by_clip(self, values: Floats) -> Floats:
        sums = np.zeros((self.weights.shape[1], *values.shape[1:]))
        np.add.at(sums, self.member, values)
        return sums


def resample(clips: Sequence[str], draws: int = DRAWS, seed: int = 0) -> Resampling:
    """Draw as many clips as there are, with replacement, `draws` times; `clips` names that of each frame.

    Raises BadRequest without a frame.
    """
    member, number = _members(clips)
    drawn = np.random.default_rng(seed).integers(number, size=(draws, number))
    weights = np.stack([np.bincount(row, minlength=number) for row in drawn]).astype(np.float64)
    return Resampling(member, weights)


def as_observed(clips: Sequence[str]) -> Resampling:
    """The one drawing that holds each clip once: it gives a statistic's value. Raises BadRequest."""
    member, number = _members(clips)
    return Resampling(member, np.ones((1, number)))


def one_by_one(clips: Sequence[str]) -> Resampling:
    """As many drawings as there are clips, each of one alone: they tell which clips define a statistic.

    Raises BadRequest without a frame.
    """
    member, number = _members(clips)
    return Resampling(member, np.eye(number))


def interval(values: Floats, alone: Floats, level: float = LEVEL) -> Interval:
    """The middle `level` of a statistic's drawings, float64 (B,); NaN is left out and counted.

    `alone` is the same statistic of each clip, float64 (G,), NaN where the clip does not define it. Where
    fewer than two do, every drawing is the same: an interval without width would look like certainty, so
    there is none.
    """
    there = values[~np.isnan(values)]
    undefined = int(len(values) - there.size)
    if not there.size or np.count_nonzero(~np.isnan(alone)) < LEAST_CLIPS:
        return Interval(None, None, undefined)
    low, high = np.quantile(there, [(1 - level) / 2, (1 + level) / 2]).tolist()
    return Interval(low, high, undefined)


def _members(clips: Sequence[str]) -> tuple[NDArray[np.intp], int]:
    if not clips:
        raise BadRequest("no frames", "at least one", "give frames that have a truth")
    names, member = np.unique(np.asarray(clips, np.str_), return_inverse=True)
    return member, len(names)
