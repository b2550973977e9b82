"""Whether probabilities mean what they say: of the pixels given 0.8, eight in ten should be of the class.

Every pixel of every frame falls into one of 15 equally wide bins by the probability of the class; a bin holds
(lower, upper], the first also 0. ECE = sum over bins of its share of the pixels times |mean probability -
share of the pixels that are of the class| (Naeini et al. 2015, of a class's probability, not of the
confidence of a choice). Empty bins count nothing; without a pixel it is undefined. Most pixels of an
ultrasound frame are easy background, so that an ECE near 0 is the rule: read the curve beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loop.errors import BadMask
from loop.masks import Mask
from trainer.metrics.counts import Floats, class_mean
from trainer.metrics.summary import known

BINS = 15


@dataclass(frozen=True)
class Bins:
    """Pixels of one frame by probability, (C, 15) each: how many, the sum of their probabilities, how many of
    them are of the class.
    """

    pixels: NDArray[np.int64]
    probability: Floats
    positives: NDArray[np.int64]

    def to_dict(self) -> dict[str, list[list[float]]]:
        """Give it in JSON's types; sums to six digits after the point."""
        return {
            "pixels": self.pixels.tolist(),
            "probability": np.round(self.probability, 6).tolist(),
            "positives": self.positives.tolist(),
        }


def bins_from_dict(values: Mapping[str, Any]) -> Bins:
    """Read what `Bins.to_dict` wrote."""
    pixels, positives = (np.asarray(values[name], np.int64) for name in ("pixels", "positives"))
    return Bins(pixels, np.asarray(values["probability"], np.float64), positives)


def bin_pixels(probs: NDArray[np.float32], truth: Mask) -> Bins:
    """Sort the pixels of one frame: probabilities float32 (C, H, W) and truth bool (C, H, W).

    Raises BadMask when the shapes differ or a value lies outside 0..1 (NaN included).
    """
    if probs.shape != truth.shape or probs.ndim != 3 or truth.dtype != np.bool_:
        got = f"probabilities {probs.shape} and a mask {truth.shape}"
        raise BadMask(got, "one shape (C, H, W)", "bring the probabilities back to the frame's own size")
    if probs.size and not (probs.min() >= 0 and probs.max() <= 1):
        todo = "take the sigmoid of logits first; of NaN the model is broken"
        raise BadMask("probabilities outside 0..1 or not finite", "values in 0..1", todo)
    found = [_bin_plane(plane.ravel(), true.ravel()) for plane, true in zip(probs, truth, strict=True)]
    pixels, probability, positives = (np.stack(part) for part in zip(*found, strict=True))
    return Bins(pixels.astype(np.int64), probability, positives.astype(np.int64))


def _bin_plane(probs: NDArray[np.float32], truth: NDArray[np.bool_]) -> tuple[Floats, Floats, Floats]:
    values = probs.astype(np.float64)
    numbers = np.maximum(np.ceil(values * BINS).astype(np.intp) - 1, 0)
    weights = (None, values, truth)
    return tuple(np.bincount(numbers, each, BINS) for each in weights)  # type: ignore[return-value]


def expected_error(pixels: NDArray[Any], probability: NDArray[Any], positives: NDArray[Any]) -> Floats:
    """ECE over the last axis of three sums (..., 15); NaN where there is no pixel."""
    total = np.asarray(pixels.sum(axis=-1), np.float64)
    gaps = np.abs(probability - positives).sum(axis=-1)  # share of the pixels times the gap of the means
    return np.asarray(np.divide(gaps, total, out=np.full(total.shape, np.nan), where=total > 0))


@dataclass(frozen=True)
class Calibration:
    """What a reliability plot shows: `ece` the mean over classes; per class and bin the mean probability, the
    share of pixels that are of the class (None: an empty bin) and the number of pixels.
    """

    ece: float | None
    ece_by_class: tuple[float | None, ...]
    probability: tuple[tuple[float | None, ...], ...]
    share: tuple[tuple[float | None, ...], ...]
    pixels: tuple[tuple[int, ...], ...]


class CalibrationBoard:
    """Collects frames one by one and computes ECE and the curve over all their pixels."""

    def __init__(self) -> None:
        self._frames: list[Bins] = []

    def update(self, bins: Bins) -> None:
        """Add one frame."""
        self._frames.append(bins)

    def compute(self) -> Calibration:
        """Give it over the frames so far; no frame gives None and no curve."""
        if not self._frames:
            return Calibration(None, (), (), (), ())
        pixels, probability, positives = stack_bins(self._frames).sum(axis=0)
        by_class = expected_error(pixels, probability, positives)
        return Calibration(
            ece=known(float(class_mean(by_class))),
            ece_by_class=tuple(known(value) for value in by_class.tolist()),
            probability=_means(probability, pixels),
            share=_means(positives, pixels),
            pixels=tuple(tuple(int(number) for number in row) for row in pixels),
        )


def stack_bins(frames: Sequence[Bins]) -> Floats:
    """Bins of several frames, float64 (N, 3, C, 15): pixels, probability, positives."""
    return np.stack([np.stack([each.pixels, each.probability, each.positives]) for each in frames])


def _means(sums: Floats, pixels: Floats) -> tuple[tuple[float | None, ...], ...]:
    means = np.divide(sums, pixels, out=np.full(pixels.shape, np.nan), where=pixels > 0)
    return tuple(tuple(known(value) for value in row) for row in means.tolist())
