"""Distances to the contours of masks."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def signed_distances(truth: Tensor) -> Tensor:
    """Distance px of each pixel's centre to the contour of its channel, negative within: float32
    (N, C, H, W) as `truth` (0 or 1), on its device. The contour runs between pixels, half a pixel from the
    centres beside it. A channel that is empty, or full, has none: 0 throughout.
    """
    planes = truth.detach().cpu().numpy() > 0
    signed = np.stack([_signed_distance(plane) for plane in planes.reshape(-1, *planes.shape[2:])])
    return torch.from_numpy(signed.reshape(planes.shape)).to(truth.device)


def _signed_distance(plane: NDArray[np.bool_]) -> NDArray[np.float32]:
    if plane.all() or not plane.any():
        return np.zeros(plane.shape, np.float32)
    within, without = _to_nearest(plane), _to_nearest(~plane)
    return np.asarray(np.where(plane, 0.5 - within, without - 0.5), np.float32)


def _to_nearest(plane: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Distance px from each true pixel to the nearest false one."""
    exact = cv2.distanceTransform(plane.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(exact, np.float32)
