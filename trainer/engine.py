"""A loaded model at work: `loop.ports.Segmenter` by torch, the same for proposals, live answers and the
gate.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from loop.errors import BadWeights
from loop.ports import Examination
from trainer.channels import require_sources
from trainer.crf import CrfSettings, crf_from_dict, dense_crf
from trainer.dataset import to_images
from trainer.networks import build_empty
from trainer.networks.base import Network
from trainer.postprocess import without_specks
from trainer.precision import autocast, find_device, resolve_precision
from trainer.preparation import PLAIN, Preparation
from trainer.preprocess import View, look, prepare, view_to_frame
from trainer.recipe_values import SMALLEST
from trainer.recipes import DEFAULT_RECIPE, RECIPES
from trainer.tiles import Grid, cut_all, in_chunks, stitch
from trainer.uncertainty import MEASURES, NEEDS_MIRROR, Evidence, measure
from trainer.weights import load_weights, preparation_of, smallest_of

CHEAP = tuple(sorted(set(MEASURES) - NEEDS_MIRROR))
Probs = NDArray[np.float32]
TILE_PIXELS = {"cpu": 1 << 18, "cuda": 1 << 20}
"""So many pixels of tiles go through the network at once, by device: 4 or 16 tiles of 256 px, 35 MB each in a
ResNet34-UNet. On a CPU more at once takes memory and saves no time.
"""


def warm_up() -> None:
    """Import what the first network of a process needs, and with it seconds in which no other Python thread
    gets a turn for up to a third of one.
    """
    build_empty(RECIPES[DEFAULT_RECIPE].network, 1)


def load_segmenter(
    path: Path,
    threads: int,
    *,
    digest: str | None = None,
    classes: Sequence[str] | None = None,
    prior_class: str | None = None,
    measures: Iterable[str] = CHEAP,
    precision: str = "auto",
) -> TorchSegmenter:
    """Load a model to serve `classes` (None: its own) with so many threads of this process.

    A model of one channel serves several classes by proposing for `prior_class` alone (see
    `channel_sources`). `measures` are what `examine` computes; "flip-disagreement" costs a second pass.
    Raises NotFound, BadWeights (not the file of `digest`, or a model that knows none of the classes).
    """
    torch.set_num_threads(threads)
    network, config = load_weights(path, digest)
    served = tuple(classes if classes is not None else config["classes"])
    sources = require_sources(config["classes"], served, prior_class)
    device = find_device()
    return TorchSegmenter(
        network.to(device, memory_format=torch.channels_last),  # type: ignore[call-overload]
        served,
        sources,
        config["size"],
        tuple(measures),
        resolve_precision(precision, device),
        preparation_of(config),
        crf_from_dict(config["crf"]) if config.get("crf") else None,
        smallest_of(config),
    )


class TorchSegmenter:
    """Frames in, probabilities out. `sources` says which channel of the network stands for each class."""

    def __init__(
        self,
        network: Network,
        classes: tuple[str, ...],
        sources: Sequence[int | None],
        size: int,
        measures: tuple[str, ...],
        precision: str,
        preparation: Preparation = PLAIN,
        crf: CrfSettings | None = None,
        smallest: float = SMALLEST,
    ) -> None:
        self.classes, self.size, self.precision = classes, size, precision
        self.preparation, self.crf, self.smallest = preparation, crf, smallest
        self._network, self._sources, self._measures = network.eval(), sources, measures
        self._device = next(network.parameters()).device

    def predict(self, image: NDArray[np.uint8]) -> Probs:
        """Uint8 (H, W) to probabilities float32 (C, H, W), specks taken out and 0 outside the crop. Raises
        BadFrame, BadWeights (NaN).
        """
        view = look(image, self.size, self.preparation)
        probs, _ = self._run(image, view)
        return self._at_frame(probs, view)

    def examine(self, image: NDArray[np.uint8]) -> Examination:
        """Predict, measure how unsure that is, and give the mean over the frame of the network's
        deepest features.
        """
        view = look(image, self.size, self.preparation)
        probs, embedding = self._run(image, view)
        evidence = Evidence(image, probs, self._mirrored(image, view))
        scores = measure(evidence, self._measures)
        return Examination(self._at_frame(probs, view), scores, embedding)

    def _at_frame(self, probs: Probs, view: View) -> Probs:
        """Probabilities of the view's picture at the frame's own size, without pieces that are too small."""
        height, width = view.crop.shape
        return without_specks(view_to_frame(probs, view), self.smallest * height * width)

    def _mirrored(self, image: NDArray[np.uint8], view: View) -> Probs | None:
        """What the mirrored frame gives, mirrored back. It is mirrored within its crop, which stays."""
        if not NEEDS_MIRROR & set(self._measures):
            return None
        mirrored = image.copy()
        view.crop.cut(mirrored)[:] = view.crop.cut(image)[:, ::-1]
        probs, _ = self._run(mirrored, view)
        return np.ascontiguousarray(probs[..., ::-1])

    @torch.inference_mode()
    def _run(self, image: NDArray[np.uint8], view: View) -> tuple[Probs, NDArray[np.float32]]:
        """Give probabilities of the view's picture, float32 (C, h, w), and the embedding, float32 (D,): the
        mean over its tiles.
        """
        means: list[NDArray[np.float32]] = []
        picture = prepare(image, view, self.preparation)
        together = TILE_PIXELS.get(self._device.type, TILE_PIXELS["cpu"])

        def ask() -> Iterator[Probs]:
            tiles = cut_all(picture, view.grid)
            for chunk in in_chunks(tiles, max(1, together // self.size**2)):
                probs, features = self._answer(to_images(chunk).to(self._device))
                means.extend(_mean_features(each, view.grid) for each in features)
                yield from probs

        probs = stitch(ask(), view.grid)
        embedding: NDArray[np.float32] = np.stack(means).mean(axis=0, dtype=np.float32)
        if not np.isfinite(embedding).all():
            raise _broken()
        probs = self._of_classes(probs)
        # In the size that the network sees: there the cost does not grow with the frame.
        return dense_crf(picture, probs, self.crf) if self.crf else probs, embedding

    def _answer(self, x: Tensor) -> tuple[Probs, Tensor]:
        """Float32 (N, 1, S, S) to probabilities (N, channels, S, S) and the deepest features (N, D, h, w)."""
        with autocast(self.precision, self._device):
            logits, features = self._network.forward_with_features(x)
        if not logits.isfinite().all():
            raise _broken()
        return logits.float().sigmoid().cpu().numpy(), features

    def _of_classes(self, probs: Probs) -> Probs:
        served = np.zeros((len(self.classes), *probs.shape[1:]), np.float32)
        for channel, source in zip(served, self._sources, strict=True):
            if source is not None:
                channel[:] = probs[source]
        return served


def _mean_features(features: Tensor, grid: Grid) -> NDArray[np.float32]:
    """Mean over the cells that show the picture of a tile's features (D, h, w), float32 (D,): padding says
    nothing of it.
    """
    cell = grid.side / features.shape[-1]
    rows, columns = (math.ceil(shown / cell) for shown in grid.shown)
    mean: NDArray[np.float32] = features[:, :rows, :columns].float().mean((1, 2)).cpu().numpy()
    return mean


def _broken() -> BadWeights:
    return BadWeights("a model that gives NaN", "numbers", "roll back to another version")
