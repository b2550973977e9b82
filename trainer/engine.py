"""A loaded model at work: `loop.ports.Segmenter` by torch, the same for proposals, live answers and the
gate.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from loop.errors import BadWeights
from loop.masks import Letterbox
from loop.ports import Examination
from trainer.crf import CrfSettings, crf_from_dict, dense_crf
from trainer.networks.base import Network
from trainer.postprocess import without_specks
from trainer.precision import autocast, find_device, resolve_precision
from trainer.preprocess import frame_box, image_to_tensor, inside, letterbox, probs_to_frame
from trainer.uncertainty import MEASURES, NEEDS_MIRROR, Evidence, measure
from trainer.weights import channel_sources, load_weights

CHEAP = tuple(sorted(set(MEASURES) - NEEDS_MIRROR))
Probs = NDArray[np.float32]


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
    sources = channel_sources(config["classes"], served, prior_class)
    if not any(source is not None for source in sources):
        raise BadWeights(f"a model of {config['classes']}", f"one that knows any of {list(served)}")
    device = find_device()
    return TorchSegmenter(
        network.to(device, memory_format=torch.channels_last),  # type: ignore[call-overload]
        served,
        sources,
        config["size"],
        tuple(measures),
        resolve_precision(precision, device),
        crf_from_dict(config["crf"]) if config.get("crf") else None,
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
        crf: CrfSettings | None = None,
    ) -> None:
        self.classes, self.size, self.precision, self.crf = classes, size, precision, crf
        self._network, self._sources, self._measures = network.eval(), sources, measures
        self._device = next(network.parameters()).device

    def predict(self, image: NDArray[np.uint8]) -> Probs:
        """Uint8 (H, W) to probabilities float32 (C, H, W), specks taken out. Raises BadFrame, BadWeights
        (NaN).
        """
        probs, _ = self._run(image)
        return without_specks(probs_to_frame(probs, frame_box(image, self.size)))

    def examine(self, image: NDArray[np.uint8]) -> Examination:
        """Predict, measure how unsure that is, and give the mean over the frame of the network's
        deepest features.
        """
        box = frame_box(image, self.size)
        probs, embedding = self._run(image)
        evidence = Evidence(image, inside(probs, box), self._mirrored(image))
        scores = measure(evidence, self._measures)
        return Examination(without_specks(probs_to_frame(probs, box)), scores, embedding)

    def _mirrored(self, image: NDArray[np.uint8]) -> Probs | None:
        if not NEEDS_MIRROR & set(self._measures):
            return None
        probs, _ = self._run(np.ascontiguousarray(image[:, ::-1]))
        return np.ascontiguousarray(inside(probs, frame_box(image, self.size))[..., ::-1])

    @torch.inference_mode()
    def _run(self, image: NDArray[np.uint8]) -> tuple[Probs, NDArray[np.float32]]:
        """Give probabilities in the box, float32 (C, S, S), and the embedding, float32 (D,)."""
        x = torch.from_numpy(image_to_tensor(image, self.size))[None].to(self._device)  # (1, 1, S, S)
        x = x.contiguous(memory_format=torch.channels_last)
        with autocast(self.precision, self._device):
            logits, features = self._network.forward_with_features(x)
        embedding = _mean_features(features, frame_box(image, self.size))
        if not (logits.isfinite().all() and np.isfinite(embedding).all()):
            raise BadWeights("a model that gives NaN", "numbers", "roll back to another version")
        probs = logits[0].float().sigmoid().cpu().numpy()  # (channels, S, S)
        return self._refined(image, self._of_classes(probs)), embedding

    def _refined(self, image: NDArray[np.uint8], probs: Probs) -> Probs:
        """Draw them along the picture's edges, in the box: there the cost does not grow with the frame."""
        if self.crf is None:
            return probs
        box = frame_box(image, self.size)
        rows, columns = slice(box.new_height), slice(box.new_width)
        shown = letterbox(image, self.size)[rows, columns]
        probs[:, rows, columns] = dense_crf(shown, inside(probs, box), self.crf)
        return probs

    def _of_classes(self, probs: Probs) -> Probs:
        served = np.zeros((len(self.classes), *probs.shape[1:]), np.float32)
        for channel, source in zip(served, self._sources, strict=True):
            if source is not None:
                channel[:] = probs[source]
        return served


def _mean_features(features: Tensor, box: Letterbox) -> NDArray[np.float32]:
    """Mean over the cells that show the frame of float (1, D, h, w), float32 (D,): padding says nothing of
    it.
    """
    cell = box.size / features.shape[-1]
    rows, columns = math.ceil(box.new_height / cell), math.ceil(box.new_width / cell)
    mean: NDArray[np.float32] = features[0, :, :rows, :columns].float().mean((1, 2)).cpu().numpy()
    return mean
