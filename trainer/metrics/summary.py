"""Figures over several frames: pooled over pixels, per frame, per clip; with what is undefined left out and
counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, median
from typing import Any

import numpy as np

from trainer.metrics.counts import (
    Counts,
    Floats,
    class_mean,
    find_measure,
    frame_dice,
    overall,
    stack,
    stack_background,
)


@dataclass(frozen=True)
class Scores:
    """What `Scoreboard.compute` gives; a None where nothing defines the value.

    `acc`, the share of pixels whose class is right, and `miou`, the mean of the IoU of background and of
    every class, are pooled over the pixels of all frames, as in the published study; None also where counts
    of several classes do not say their common background.
    """

    frames: int
    empty_frames: int
    dice_mean: float | None
    dice_median: float | None
    dice_mean_empty_as_one: float | None
    dice_median_empty_as_one: float | None
    acc: float | None
    miou: float | None

    def to_dict(self) -> dict[str, Any]:
        """Give it in JSON's types."""
        return asdict(self)


@dataclass(frozen=True)
class Summary:
    """One measure over frames: `mean` and `median` over the frames where it is defined, None where there are
    none; `by_class` the mean of each class, against all else, over the frames where it defines the measure.
    """

    mean: float | None
    median: float | None
    defined: int
    undefined: int
    by_class: tuple[float | None, ...]


@dataclass(frozen=True)
class Pooled:
    """One measure over the pixels of all frames: `value` that of all classes together (`overall`),
    `by_class` that of each against all else.
    """

    value: float | None
    by_class: tuple[float | None, ...]


class Scoreboard:
    """Collects frames one by one and computes all scores over them."""

    def __init__(self) -> None:
        self._frames: list[Counts] = []
        self._clips: list[str] = []

    def update(self, counts: Counts, clip: str = "") -> None:
        """Add one frame, of that clip."""
        self._frames.append(counts)
        self._clips.append(clip)

    def compute(self) -> Scores:
        """Give the scores over all frames so far; both readings of empty frames."""
        dice = [frame_dice(counts) for counts in self._frames]
        defined = [value for value in dice if value is not None]
        as_one = [1.0 if value is None else value for value in dice]
        return Scores(
            frames=len(dice),
            empty_frames=len(dice) - len(defined),
            dice_mean=fmean(defined) if defined else None,
            dice_median=median(defined) if defined else None,
            dice_mean_empty_as_one=fmean(as_one) if as_one else None,
            dice_median_empty_as_one=median(as_one) if as_one else None,
            acc=self.pooled("acc").value,
            miou=self.pooled("miou").value,
        )

    def pooled(self, measure: str) -> Pooled:
        """Give a measure over the pixels of all frames. No frame: None. Raises BadRequest (unknown)."""
        return pool(self._frames, measure)

    def per_frame(self, measure: str) -> Summary:
        """Give a measure frame by frame: first of a frame's classes together, then the mean over frames."""
        return summarise(frame_values(self._frames, measure), frame_overall(self._frames, measure))

    def per_clip(self, measure: str) -> dict[str, Pooled]:
        """Give a measure over the pixels of each clip, by its name."""
        parts: dict[str, list[Counts]] = {}
        for clip, counts in zip(self._clips, self._frames, strict=True):
            parts.setdefault(clip, []).append(counts)
        return {clip: pool(frames, measure) for clip, frames in sorted(parts.items())}


def score(frames: Sequence[Counts]) -> Scores:
    """Compute the scores over frames counted before."""
    board = Scoreboard()
    for counts in frames:
        board.update(counts)
    return board.compute()


def pool(frames: Sequence[Counts], measure: str) -> Pooled:
    """Sum the pixels of all frames, then measure. No frame: None."""
    values = find_measure(measure)
    if not frames:
        return Pooled(None, ())
    totals, background = stack(frames).sum(axis=0), stack_background(frames).sum(axis=0)
    value = float(overall(measure, totals, background))
    return Pooled(known(value), tuple(known(each) for each in values(*totals).tolist()))


def frame_values(frames: Sequence[Counts], measure: str) -> Floats:
    """Give a measure of every frame and class, float64 (N, C) with NaN where undefined; no frame: (0, 0)."""
    values = find_measure(measure)
    return values(*np.moveaxis(stack(frames), 1, 0)) if frames else np.zeros((0, 0))


def frame_overall(frames: Sequence[Counts], measure: str) -> Floats:
    """Give a measure of every frame, its classes together, float64 (N,); no frame: (0,)."""
    return overall(measure, stack(frames), stack_background(frames)) if frames else np.zeros(0)


def summarise(values: Floats, together: Floats | None = None) -> Summary:
    """Summarise float64 (N, C), NaN where undefined; `together` (N,) is each frame's value, the mean of its
    classes where it is None: then a frame counts where any of its classes does.
    """
    frames = class_mean(values) if together is None else together
    there = frames[~np.isnan(frames)]
    return Summary(
        mean=float(there.mean()) if there.size else None,
        median=float(np.median(there)) if there.size else None,
        defined=int(there.size),
        undefined=int(frames.size - there.size),
        by_class=tuple(known(each) for each in class_mean(values.T).tolist()),
    )


def known(value: float) -> float | None:
    """Turn NaN, which JSON does not know, into None."""
    return None if np.isnan(value) else value
