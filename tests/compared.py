"""Labelled frames on disk and what `compare` is asked for, small enough to be trained on within seconds."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from cli.compare import CompareRequest


def data_of(folder: Path, clips: int = 3, frames: int = 2, value: int = 1) -> Path:
    """Write clips of noise, with a square of this pixel value as truth."""
    rng = np.random.default_rng(0)
    for clip in range(clips):
        for number in range(frames):
            mask = np.zeros((40, 50), np.uint8)
            mask[10:20, 10:25] = value
            for part, picture in (("images", rng.integers(0, 255, (40, 50), np.uint8)), ("masks", mask)):
                place = folder / part / f"clip{clip}"
                place.mkdir(parents=True, exist_ok=True)
                Image.fromarray(picture).save(place / f"{number}.png")
    return folder


def request(data: Path, out: Path, **changes: object) -> CompareRequest:
    """Two networks, one seed, 64 px."""
    asked = CompareRequest(data, "resnet34-unet,mobilenetv2-unet", out, None, "paper", 64, 1, 0, "scratch", 1)
    return replace(asked, **changes)  # type: ignore[arg-type]


def write_recipe(path: Path, **changes: object) -> str:
    """A recipe of one epoch, and what it is called by."""
    values = {"like": "paper", "name": "tiny", "epochs": 1, "batch": 2, "precision": "float32"}
    path.write_text(json.dumps(values | changes))
    return str(path)
