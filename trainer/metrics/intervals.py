"""Intervals by the cluster bootstrap: clips are drawn, not frames, for those of one recording resemble each
other (Field & Welsh, "Bootstrapping clustered data", 2007).

Every statistic is computed from how often each clip is drawn, so that two models judged by one drawing are
compared in pairs: what both find hard cancels out.

Percentiles of the drawings are too narrow by sqrt((n - 1) / n), and take a normal quantile where of n clips a
t one is due. The expanded percentile interval mends both (Hesterberg, "What teachers should know about the
bootstrap", 2015): in place of a / 2 it leaves Phi(-sqrt(n / (n - 1)) t(a / 2, n - 1)) out at each end.
docs/metrics.md shows how often both hold.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loop.errors import BadRequest
from trainer.metrics.counts import Floats

DRAWS = 2000
LEVEL = 0.95
LEAST_CLIPS = 3
"""Of two clips even the lowest and the highest of all drawings hold the truth half of the time."""
ENOUGH_CLIPS = 6
"""From fewer clips no percentiles of drawings, however far out, hold as often as they should."""


@dataclass(frozen=True)
class Interval:
    """Bounds of an expanded percentile interval, None where fewer than three clips define the statistic;
    `clips` do. `undefined` drawings are left out.
    """

    low: float | None
    high: float | None
    clips: int
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
    """The middle of a statistic's drawings, float64 (B,), that holds the truth in a share `level` of cases;
    NaN is left out and counted.

    `alone` is the same statistic of each clip, float64 (G,), NaN where the clip does not define it. Where
    fewer than three do there is no interval: of one clip every drawing is the same, which would look like
    certainty. With fewer than `ENOUGH_CLIPS` it holds less often than it says.
    """
    there = values[~np.isnan(values)]
    undefined, clips = int(len(values) - there.size), int(np.count_nonzero(~np.isnan(alone)))
    if not there.size or clips < LEAST_CLIPS:
        return Interval(None, None, clips, undefined)
    tail = expanded_tail(clips, level)
    low, high = np.quantile(there, [tail, 1 - tail]).tolist()
    return Interval(low, high, clips, undefined)


def expanded_tail(clips: int, level: float = LEVEL) -> float:
    """The share of the drawings of so many clips (two or more) that lies beyond either bound."""
    from scipy import special  # takes a while, which whoever only counts pixels need not pay

    t = special.stdtrit(clips - 1, (1 - level) / 2)
    return float(special.ndtr(math.sqrt(clips / (clips - 1)) * t))


def _members(clips: Sequence[str]) -> tuple[NDArray[np.intp], int]:
    if not clips:
        raise BadRequest("no frames", "at least one", "give frames that have a truth")
    names, member = np.unique(np.asarray(clips, np.str_), return_inverse=True)
    return member, len(names)
