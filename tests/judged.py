"""Judged frames made of numbers, for what is computed from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np

from tests.discs import draw_disc
from trainer.comparison.aggregate import aggregate
from trainer.comparison.cost import Cost, Timing
from trainer.comparison.judge import JudgedFrame, Result
from trainer.comparison.protocol import ComparedFrame, Plan, Protocol
from trainer.comparison.report import Report
from trainer.metrics import Counts, bin_pixels, count, measure_surface
from trainer.recipes import RECIPES

RECIPE = replace(RECIPES["paper"], precision="float32")
PLAN = Plan(("resnet34-unet", "mobilenetv2-unet"), 2)


def compared(number: int, group: str, is_full: bool = True) -> ComparedFrame:
    return ComparedFrame(f"{number:064x}", f"{number + 1000:064x}", group, (is_full,))


def some_protocol(clips: int = 10, frames_per_clip: int = 2) -> Protocol:
    frames = [compared(n, f"clip-{n // frames_per_clip:03d}") for n in range(clips * frames_per_clip)]
    return Protocol(("vessel",), RECIPE, "scratch", 0, tuple(frames))


def judged(number: int, group: str, shift: int, *, is_empty: bool = False) -> JudgedFrame:
    """A disc, drawn so many px beside where it is."""
    truth = draw_disc(number)[1]
    drawn = np.roll(truth, shift, axis=2)
    if is_empty:
        truth, drawn = np.zeros_like(truth), np.zeros_like(truth)
    bins = bin_pixels(np.where(drawn, 0.9, 0.05).astype(np.float32), truth)
    return JudgedFrame(number, group, count(drawn, truth), measure_surface(drawn, truth), bins)


def some_runs(
    networks: Sequence[str], seeds: int = 2, protocol: Protocol | None = None
) -> dict[str, list[list[JudgedFrame]]]:
    """Each network draws worse than the one before it, each seed a little worse than the one before."""
    held_out = [
        (number, each.group)
        for number, each in enumerate((protocol or some_protocol()).frames)
        if each.group in (protocol or some_protocol()).held_out
    ]
    return {
        network: [
            [judged(number, group, 1 + 3 * place + seed + number % 2) for number, group in held_out]
            for seed in range(seeds)
        ]
        for place, network in enumerate(networks)
    }


@cache
def some_report(networks: tuple[str, ...], seeds: int = 2) -> Report:
    protocol, runs = some_protocol(), some_runs(networks, seeds)
    trained = {"digest": "0" * 64, "metrics": {}, "config": {}}
    results = [
        Result(network, seed, tuple(runs[network][seed]), trained)
        for seed in range(seeds)
        for network in networks
    ]
    costs = {network: Cost(24_430_097, 30.84) for network in networks}
    timing = Timing(dict.fromkeys(networks, 455.0), 512, 2, "bfloat16", "a processor")
    return Report(protocol, Plan(tuple(networks), seeds), costs, timing, results, *aggregate(runs, 200))


def alarm(frame: JudgedFrame) -> JudgedFrame:
    """As if what is drawn there were drawn on a frame that shows nothing."""
    counts = frame.counts
    drawn, nothing = counts.tp + counts.fp, np.zeros_like(counts.tp)
    return replace(frame, counts=Counts(nothing, drawn, nothing, counts.tn + counts.fn))
