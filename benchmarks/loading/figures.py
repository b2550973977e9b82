"""From what was seen to figures: quantiles with intervals, slopes, the lag of the mirror."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

import numpy as np

from benchmarks.loading.readers import Call
from benchmarks.loading.watching import Look

WARM_UP = 0.2
"""Share of the time, from the beginning, in which memory may still rise: caches and pools fill."""


@dataclass(frozen=True)
class Quantile:
    """A quantile with its 95 % interval, all in the unit of the values; NaN where there were none."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return (
            "-"
            if math.isnan(self.value)
            else f"{_short(self.value)} ({_short(self.low)}-{_short(self.high)})"
        )


def quantile(values: Iterable[float], share: float) -> Quantile:
    """The `share` quantile and its interval by order statistics, which assumes no distribution.

    The ranks come from the normal approximation to the binomial (Conover, "Practical Nonparametric
    Statistics").
    """
    ordered = np.sort(np.fromiter(values, dtype=np.float64))
    if not len(ordered):
        return Quantile(math.nan, math.nan, math.nan)
    middle, spread = len(ordered) * share, 1.96 * math.sqrt(len(ordered) * share * (1 - share))
    ranks = np.clip([math.floor(middle - spread), math.ceil(middle + spread)], 0, len(ordered) - 1)
    return Quantile(float(np.quantile(ordered, share)), *(float(ordered[int(rank)]) for rank in ranks))


def milliseconds(calls: Sequence[Call], phase: str, kind: str, share: float) -> Quantile:
    """How long one kind of request took in one phase."""
    return quantile(
        (1000 * each.seconds for each in calls if (each.phase, each.kind) == (phase, kind)), share
    )


def per_second(calls: Sequence[Call], phase: str, kind: str) -> float:
    """Requests of a kind per second, from the first to the last answer of the phase; fewer than two: 0."""
    times = [each.at for each in calls if (each.phase, each.kind) == (phase, kind)]
    span = max(times) - min(times) if len(times) > 1 else 0.0
    return (len(times) - 1) / span if span else 0.0


def lags(calls: Sequence[Call], phase: str, recorded: Mapping[int, datetime]) -> list[float]:
    """Seconds from the answer to a Submit until its mask version was written, at least 0, by annotation."""
    submits = [each for each in calls if (each.phase, each.kind) == (phase, "submit")]
    found = [(each.at, recorded[each.annotation]) for each in submits if each.annotation in recorded]
    return [max(0.0, moment.timestamp() - at) for at, moment in found]


@dataclass(frozen=True)
class Growth:
    """Memory of a service in MiB: medians of the first, middle and last tenth of the looks, the highest, and
    how much it grew for 1,000 submits once it was warm.
    """

    start: float
    middle: float
    end: float
    peak: float
    slope: float


def growth(looks: Sequence[Look], service: str, submits: Sequence[float]) -> Growth:
    """How a service's memory went; `submits` are the moments of the submits."""
    memory = np.array([look.memory.get(service, 0.0) for look in looks])
    tenth = max(1, len(memory) // 10)
    centre = (len(memory) - tenth) // 2
    parts = memory[:tenth], memory[centre : centre + tenth], memory[-tenth:]
    warm = math.floor(WARM_UP * len(looks))
    done = np.searchsorted(np.sort(submits), [look.at for look in looks[warm:]]) / 1000
    slope = float(np.polyfit(done, memory[warm:], 1)[0]) if len(set(done.tolist())) > 1 else math.nan
    start, middle, end = (float(np.median(part)) for part in parts)
    return Growth(start, middle, end, float(memory.max()), slope)


def push_rates(looks: Sequence[Look]) -> list[float]:
    """Predictions per second between looks, for the spans in which any came."""
    rates = [
        (after.predictions - before.predictions) / (after.at - before.at) for before, after in pairwise(looks)
    ]
    return [rate for rate in rates if rate > 0]


def processor_seconds(looks: Sequence[Look], service: str) -> float:
    """Processor seconds that a service took from the first to the last look."""
    taken = [look.processor.get(service, 0.0) for look in looks]
    return max(0.0, taken[-1] - taken[0]) if taken else 0.0


def _short(value: float) -> str:
    """Three digits that count."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
