"""What is done to probabilities at frame size before anyone thresholds them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from loop.masks import Mask, probs_to_mask

THRESHOLD = 0.5


def without_specks(
    probs: NDArray[np.float32], least: float, threshold: float = THRESHOLD
) -> NDArray[np.float32]:
    """Lower blobs of fewer than `least` px to the threshold, so that `probs_to_mask` leaves them out; float32
    (C, H, W).

    Where another class is above the threshold as well, the pixels of a speck go to it if they then belong to
    a blob that is large enough: a speck of artery within a vein becomes vein. A speck that stands alone
    becomes background. All other pixels keep their class and their probabilities. Done to the probabilities
    and not to a mask: then proposals, gate and live answers, which all threshold what a segmenter gives,
    agree without knowing of it. The input is not changed.
    """
    cleaned = probs.copy()
    while (specks := _specks(probs_to_mask(cleaned, threshold), least)).any():
        # This ends: a speck lies where the last pass took one out, and each pass takes another class there.
        cleaned[specks] = threshold
    return cleaned


def _specks(mask: Mask, least: float) -> Mask:
    """The blobs of each class with fewer than `least` pixels; corners join them."""
    specks = np.zeros_like(mask)
    for number, plane in enumerate(mask):
        blobs, _ = ndimage.label(plane, structure=np.ones((3, 3)))
        is_speck = np.bincount(blobs.ravel()) < least
        is_speck[0] = False
        specks[number] = is_speck[blobs]
    return specks
