"""One training, judged frame by frame at the frames' own size."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.few_labels.folds import Division, Frame
from benchmarks.few_labels.variants import Variant
from loop.masks import Mask, pack, probs_to_mask
from loop.training_records import Split
from trainer.engine import TorchSegmenter, load_segmenter
from trainer.job import JobSpec, Sample
from trainer.metrics import count
from trainer.metrics.counts import frame_dice
from trainer.weights import load_weights, save_weights

CLASSES = ("vessel",)


@dataclass(frozen=True)
class Setting:
    """What all trials share: the mask's `value` of a vessel, the base weights, threads of each process."""

    value: int
    base: Path
    threads: int


@dataclass(frozen=True)
class Judged:
    """By share of the base weights, Dice of each judging frame by its number, None where neither truth nor
    model hold a vessel; whether the truth holds one.
    """

    dice: dict[str, dict[int, float | None]]
    has_vessel: dict[int, bool]
    seconds: float


def run_trial(setting: Setting, variant: Variant, division: Division, labels: int, seed: int) -> Judged:
    """Train on the first `labels` frames of the pool and judge, with each share of the base weights mixed in
    that the variant names; with no labels judge the base weights.
    """
    dice = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        began = time.perf_counter()
        weights = _trained(setting, variant, division, labels, seed, folder) if labels else setting.base
        seconds = time.perf_counter() - began
        for share in variant.shares if labels else (0.0,):
            mixed = _mixed(weights, setting.base, share, folder / "mixed.safetensors")
            segmenter = load_segmenter(mixed, setting.threads, classes=CLASSES)
            dice[f"{share:g}"] = _judge(segmenter, division.judging, setting.value)
    has_vessel = {frame.number: bool(frame.truth(setting.value).any()) for frame in division.judging}
    return Judged(dice, has_vessel, seconds)


def _mixed(weights: Path, base: Path, share: float, out: Path) -> Path:
    """The weights as they are, or with so much of the base in them."""
    if not share:
        return weights
    network, config = load_weights(weights)
    first = load_weights(base)[0].state_dict()
    state = network.state_dict()
    for name, tensor in state.items():
        if tensor.is_floating_point():
            tensor.lerp_(first[name], share)
    save_weights(out, network, config)
    return out


def _trained(
    setting: Setting, variant: Variant, division: Division, labels: int, seed: int, folder: Path
) -> Path:
    taught = division.pool[:labels]
    samples = [_sample(folder, frame, frame.truth(setting.value)) for frame in taught]
    weights = _train(setting, variant, samples, seed, folder / "first")
    if not variant.pseudo or labels == len(division.pool):
        return weights
    segmenter = load_segmenter(weights, setting.threads, classes=CLASSES)
    guessed = [
        _sample(folder, frame, probs_to_mask(segmenter.predict(frame.picture())))
        for frame in division.pool[labels:]
    ]
    # As many steps on what people drew as on what the model guesses.
    again = samples * max(1, len(guessed) // len(samples))
    return _train(setting, variant, [*again, *guessed], seed + 100, folder / "second")


def _sample(folder: Path, frame: Frame, mask: Mask) -> Sample:
    path = folder / f"{frame.number}.mask"
    path.write_bytes(pack(mask))
    return Sample(frame.number, str(frame.number), Split.TRAIN, frame.image, path)


def _train(setting: Setting, variant: Variant, samples: Sequence[Sample], seed: int, out: Path) -> Path:
    from trainer.becoming import finish
    from trainer.training import begin, train

    out.mkdir()
    base = str(setting.base) if variant.is_from_phantoms else None
    job = JobSpec(CLASSES, variant.recipe, seed, setting.threads, tuple(samples), out, base)
    training = begin(job)
    for _ in train(training):
        pass
    return finish(training)[0]


def _judge(segmenter: TorchSegmenter, frames: Sequence[Frame], value: int) -> dict[int, float | None]:
    return {each.number: _dice(segmenter.predict(each.picture()), each.truth(value)) for each in frames}


def _dice(probs: NDArray[np.float32], truth: Mask) -> float | None:
    return frame_dice(count(probs_to_mask(probs), truth))
