"""How unsure a model is of a frame: measures behind one interface, all finite, higher meaning less sure.

They read probabilities in the box, without its padding. The plain mean of the entropy over a frame hides a
small vein in its background, and entropy per foreground pixel ranks backwards, so the entropy is read where
the decision is made: along the predicted contour and wherever the model hesitates.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from loop.errors import BadInput, BadRequest
from loop.masks import dice, probs_to_mask
from trainer.nearest import meant

BAND = 0.012
"""Half width of the band along the contour, as a share of the longest side (3 px of 256)."""
HESITANT = (0.2, 0.8)
"""Probabilities between these belong to the band wherever they are."""


@dataclass(frozen=True)
class Evidence:
    """What a measure may look at: the grey frame uint8 (H, W), probabilities float32 (C, h, w) in 0..1, and
    those of the mirrored frame, mirrored back (None: not computed).
    """

    image: NDArray[np.uint8]
    probs: NDArray[np.float32]
    mirrored: NDArray[np.float32] | None = None


Measure = Callable[[Evidence], float]


def measure(evidence: Evidence, names: Sequence[str]) -> dict[str, float]:
    """Compute the named measures. Raises BadRequest for an unknown name, BadInput for a value that is not
    finite.
    """
    unknown = sorted(set(names) - set(MEASURES))
    if unknown:
        todo = meant(unknown[0], MEASURES, "take entropy")
        raise BadRequest(f"uncertainty {', '.join(unknown)}", f"one of {', '.join(sorted(MEASURES))}", todo)
    scores = {name: float(MEASURES[name](evidence)) for name in names}
    if not all(np.isfinite(value) for value in scores.values()):
        raise BadInput(f"uncertainties {scores}", "finite ones", "the model is broken: roll back")
    return scores


def entropy(probs: NDArray[np.float32]) -> NDArray[np.float64]:
    """Binary entropy in bits, 0..1, of probabilities of any shape."""
    p = np.clip(probs.astype(np.float64), 1e-7, 1 - 1e-7)
    return np.asarray(-(p * np.log2(p) + (1 - p) * np.log2(1 - p)))


def boundary_entropy(evidence: Evidence) -> float:
    """Mean entropy over the band: pixels near the predicted contour or hesitant themselves, of all classes,
    0..1.

    A mean over the band, so the length of the contour does not count. With no band at all (nothing
    predicted and nothing suspected) the entropy of the likeliest pixel.
    """
    bits = entropy(evidence.probs)
    band = _band(evidence.probs)
    return float(bits[band].mean()) if band.any() else float(bits.max(initial=0.0))


def flip_disagreement(evidence: Evidence) -> float:
    """1 - Dice between the masks of the frame and of its mirror image, 0..1; two empty masks agree."""
    if evidence.mirrored is None:
        raise BadRequest(
            "no probabilities of the mirrored frame",
            "a segmenter that was asked for this measure",
            "name flip-disagreement among its `measures`",
        )
    agreement = dice(probs_to_mask(evidence.probs), probs_to_mask(evidence.mirrored))
    return 0.0 if agreement is None else 1.0 - agreement


def random(evidence: Evidence) -> float:
    """Draw a number in 0..1 from the frame's pixels: whatever the model, without a state, again the same."""
    return float(np.random.default_rng(zlib.crc32(evidence.image.tobytes())).random())


def _band(probs: NDArray[np.float32]) -> NDArray[np.bool_]:
    reach = max(1, round(BAND * max(probs.shape[1:])))
    disc = ndimage.iterate_structure(ndimage.generate_binary_structure(2, 1), reach)
    band = (probs > HESITANT[0]) & (probs < HESITANT[1])
    for plane, mask in zip(band, probs_to_mask(probs), strict=True):
        contour = mask & ~ndimage.binary_erosion(mask, border_value=1)
        plane |= ndimage.binary_dilation(contour, structure=disc)
    return np.asarray(band, dtype=np.bool_)


MEASURES: dict[str, Measure] = {
    "boundary-entropy": boundary_entropy,
    "flip-disagreement": flip_disagreement,
    "random": random,
}
NEEDS_MIRROR = frozenset({"flip-disagreement"})
"""Measures that cost a second pass of the network."""
