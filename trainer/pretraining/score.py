"""How well weights outline the vessels of labelled frames that they never saw."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from loop.masks import Letterbox, dice
from trainer.preprocess import image_to_tensor, probs_to_frame


@dataclass(frozen=True)
class LabelledFolder:
    """Frames and masks of the same names; a pixel is vessel where the mask has `value`."""

    images: Path
    masks: Path
    value: int

    def frames(self) -> list[tuple[str, NDArray[np.uint8], NDArray[np.bool_]]]:
        """Name, grey uint8 (H, W) and truth bool (H, W) of every frame, in the order of names."""
        found = []
        for path in sorted(self.images.glob("*.png")):
            grey = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
            mask = cv2.imread(str(self.masks / path.name), cv2.IMREAD_GRAYSCALE)
            found.append((path.stem, np.asarray(grey, np.uint8), np.asarray(mask) == self.value))
        return found


@dataclass(frozen=True)
class Score:
    """Dice per frame with a vessel, and how many of the frames without one stayed empty."""

    dices: NDArray[np.float64]
    empty_frames: int
    kept_empty: int

    def sentence(self) -> str:
        """The figures in words."""
        kept = (
            f"; {self.kept_empty} of {self.empty_frames} empty frames kept empty" if self.empty_frames else ""
        )
        if not len(self.dices):
            return f"no frame with a vessel{kept}"
        return (
            f"Dice mean {self.dices.mean():.3f}, median {np.median(self.dices):.3f} "
            f"on {len(self.dices)} frames with a vessel{kept}"
        )


def predict(network: torch.nn.Module, image: NDArray[np.uint8], size: int) -> NDArray[np.float32]:
    """Vessel probability float32 (H, W) of a grey frame uint8 (H, W)."""
    tensor = torch.from_numpy(image_to_tensor(image, size))[None].contiguous(
        memory_format=torch.channels_last
    )
    with torch.inference_mode():
        probs = torch.sigmoid(network(tensor)).numpy()[0]
    return np.asarray(probs_to_frame(probs, Letterbox(image.shape[0], image.shape[1], size))[0], np.float32)


def score(network: torch.nn.Module, folder: LabelledFolder, size: int) -> Score:
    """Compare a network in eval mode with the truth of a folder at 0.5."""
    dices, empty, kept = [], 0, 0
    for _, image, truth in folder.frames():
        mask = predict(network, image, size) > 0.5
        overlap = dice(mask, truth) if truth.any() else None
        if overlap is None:
            empty += 1
            kept += int(not mask.any())
        else:
            dices.append(overlap)
    return Score(np.asarray(dices, np.float64), empty, kept)
