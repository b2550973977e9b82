"""What is done to probabilities at frame size before anyone thresholds them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from loop.masks import probs_to_mask

THRESHOLD = 0.5
SPECK = 200 / 512**2
"""Share of the frame below which a blob is no vessel: 200 px of a 512 px frame, a third of the smallest
drawn.
"""


def without_specks(probs: NDArray[np.float32], threshold: float = THRESHOLD) -> NDArray[np.float32]:
    """Lower blobs of too few pixels to the threshold, so that `probs_to_mask` leaves them out; float32 (C,
    H, W).

    Done to the probabilities and not to a mask: then proposals, gate and live answers, which all threshold
    what a segmenter gives, agree without knowing of it. The input is not changed.
    """
    least = SPECK * probs.shape[1] * probs.shape[2]
    cleaned = probs.copy()
    for channel, plane in zip(cleaned, probs_to_mask(probs, threshold), strict=True):
        blobs, number = ndimage.label(plane, structure=np.ones((3, 3)))
        if number:
            is_speck = np.bincount(blobs.ravel()) < least
            is_speck[0] = False
            channel[is_speck[blobs]] = threshold
    return cleaned
