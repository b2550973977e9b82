"""The drill as a picture: latency and memory over time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.loading.drill import Outcome, Side

Values = NDArray[np.float64]
ROLLING = 50


def draw(outcome: Outcome, path: Path) -> None:
    """Above, how long each Submit took; below, what each service holds in memory."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, (above, below) = plt.subplots(2, 1, figsize=(8, 6), layout="constrained", sharex=True)
    sides = (outcome.bare, "Label Studio alone", "tab:grey"), (outcome.ours, "Sonoloop", "tab:blue")
    for side, name, colour in sides:
        if side is not None:
            minutes, taken = _submits(side)
            above.plot(minutes, taken, ".", ms=2, alpha=0.4, color=colour)
            above.plot(minutes, _rolling_median(taken), color=colour, label=f"{name}, median of {ROLLING}")
    above.set(ylabel="Submit, ms", yscale="log")
    above.legend(loc="upper left")
    looks = outcome.ours.looks
    moments = [(look.at - looks[0].at) / 60 for look in looks]
    for service in looks[-1].memory:
        below.plot(moments, [look.memory.get(service, 0.0) for look in looks], label=service)
    below.set(xlabel="minutes", ylabel="memory, MiB", ylim=0)
    below.legend(ncols=4, fontsize="small")
    figure.savefig(path, dpi=90)
    plt.close(figure)


def _submits(side: Side) -> tuple[Values, Values]:
    """Minutes since the first look, and ms, of every Submit in order of time."""
    calls = sorted((each.at, each.seconds) for each in side.log.calls if each.kind == "submit")
    at, seconds = np.array(calls, dtype=np.float64).reshape(-1, 2).T
    return (at - side.looks[0].at) / 60, 1000 * seconds


def _rolling_median(values: Values) -> list[float]:
    return [float(np.median(values[max(0, end - ROLLING) : end])) for end in range(1, len(values) + 1)]
