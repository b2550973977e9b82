"""Networks that draw nothing, or everything: their figures look like any others, and say nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from trainer.comparison.judge import Result
from trainer.comparison.protocol import Protocol
from trainer.metrics.counts import stack
from trainer.recipes import COMPARED_RECIPE


def idle_note(protocol: Protocol, results: Sequence[Result]) -> list[str]:
    """Name the networks that drew nothing, no pixel of a class, or every pixel on all frames that tested,
    though the truth is otherwise; and what helps. Nothing where all of them have learned.
    """
    seeds = Counter(result.network for result in results)
    found = Counter((result.network, what) for result in results for what in _idle(result, protocol.classes))
    networks: dict[str, list[str]] = {}
    for (network, what), number in found.items():
        of = f" ({number} of {seeds[network]} seeds)" if seeds[network] > 1 else ""
        networks.setdefault(what + of, []).append(network)
    said = [f"{', '.join(names)} {what}." for what, names in networks.items()]
    return [*said, _what_helps(protocol)] if said else []


def _idle(result: Result, classes: Sequence[str]) -> Iterator[str]:
    """What one run drew that tells of no learning: its pixels of all frames together, class by class."""
    tp, fp, fn, tn = stack([frame.counts for frame in result.frames]).sum(axis=0)
    is_nothing, is_everything = (tp + fp == 0) & (fn > 0), (fn + tn == 0) & (fp > 0)
    if not (tp + fp).any() and is_nothing.any():
        yield "drew nothing on any test frame"
        return
    for name, nothing, everything in zip(classes, is_nothing, is_everything, strict=False):
        if nothing:
            yield f"drew no {name} on any test frame"
        if everything:
            yield f"called every pixel of every test frame {name}"


def _what_helps(protocol: Protocol) -> str:
    ways = [
        *([f"--recipe {COMPARED_RECIPE}"] if protocol.recipe.name != COMPARED_RECIPE else []),
        "more epochs in a recipe file",
        *(["--weights imagenet"] if protocol.base == "scratch" else []),
        "more labelled frames",
    ]
    return (
        "That is too little learned to be compared, however high ACC is where most pixels are background. "
        f"What helps, with another --out: {', '.join(ways)}."
    )
