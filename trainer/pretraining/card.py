"""The card that lies beside base weights: what they are, how they were made, what they are worth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

from trainer.networks import DEFAULT_NETWORK
from trainer.preprocess import MEAN, STD
from trainer.pretraining.fit import PretrainingConfig
from trainer.pretraining.score import Score


def write_card(config: PretrainingConfig, command: str, digest: str, scores: Mapping[str, Score]) -> str:
    """The card as Markdown; `scores` maps the name and licence of a labelled set to the figures on it."""
    recipe = "\n".join(f"| {name} | {value} |" for name, value in asdict(config).items())
    figures = "\n".join(f"- {name}: {score.sentence()}." for name, score in scores.items())
    return f"""# Base weights, version 0

- Network: {DEFAULT_NETWORK}, one grey channel in, one class out: `vessel` (vein or artery).
- Input: the frame letterboxed to {config.size} px (`trainer.preprocess`), (grey / 255 - {MEAN}) / {STD}.
- File: safetensors, fp16, SHA-256 `{digest}`.
- Trained on: {config.n_frames} phantoms that `trainer.phantoms` draws from seeds, and nothing else. No frame
  of a patient and no foreign weights went in, so the weights carry the project's own licence.
  Overall figures of usgra-seg (grey, speckle grain, size, shape and depth of vessels) set the scale of
  the phantoms.
- Made by: `{command}`

## Recipe

AdamW with a one-cycle rate, BCE + Dice, bf16 autocast, the running mean of the weights; augmentation `strong`
and `trainer.pretraining.appearance`.

| setting | value |
|---|---|
{recipe}

## Worth on real frames that were never trained on

Per-frame Dice of `vessel` at a threshold of 0.5, at the frames' own size; frames without a vessel apart.
The real frames served for evaluation only: no gradient, threshold or epoch came from them.

{figures or "- not measured."}

## Not for

Diagnosis. The first proposals of an annotation project, and the start of its training.
"""
