"""Dense CRF: draws probabilities along the edges of the picture (Krähenbühl & Koltun, NeurIPS 2011).

Every pixel is tied to every other one by two Gaussian kernels: nearness in place and in grey (appearance),
and nearness in place (smoothness). Each class is its own field of two labels, in or out, as its probability
is a sigmoid of its own. The mean field then is, in logits z with q = sigmoid(z) and the kernels k,

    z_i  <-  z_i(0) + sum over the kernels of  w * sum over j != i of  k_ij (2 q_j - 1)

k_ij is divided by sqrt(n_i n_j), n_i the sum of k_ij over all j: then a weight means the same in the middle
of the frame, at its border, and at any scale.

The sums over j are Gaussian filters. Smoothness is filtered at full resolution. Appearance is filtered in a
coarse grid of place and grey (Paris & Durand 2006) of SPACING standard deviations, to which pixels are dealt
linearly and from which they are read linearly; what these two steps blur is taken off the filter's own width.
Against the sums over all pairs the probabilities err by less than 0.01 (`tests/unit/trainer/test_crf.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import product
from math import ceil, prod, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage, sparse
from scipy.special import expit, logit

from loop.errors import BadInput, BadRequest
from trainer.nearest import LONGEST_WORD
from trainer.recipe_values import said

SPACING = 0.25
TRUNCATE = 4.0
REFERENCE_SIDE = 512
USUAL = "leave out what is not known to be better: the defaults were tried on real frames"
BOUNDS = {
    "appearance": (0, 100),
    "place": (16, 1024),
    "grey": (1, 255),
    "smoothness": (0, 100),
    "near": (1, 64),
    "iterations": (1, 50),
}
"""Settings come with weight files, and a file from elsewhere may ask for any memory and time: weights and
widths beyond these mean nothing on frames of 256 grey levels and a longest side of 512.
"""
LEAST = 1e-6
"""No probability counts as surer than this."""
WIDEST = 257
"""Taps. A wider Gaussian, up to thousands of px in a large frame, goes by Fourier transforms: what they cost
does not grow with it.
"""
BAND = 1 << 21
"""Numbers that are transformed at once: a large frame whole would take ten times its own memory."""
Plane = NDArray[np.float32]


@dataclass(frozen=True)
class CrfSettings:
    """How strongly pixels are tied. Widths are standard deviations: of place in px of a frame whose longest
    side is 512 (they grow with the frame), of grey in levels of 0..255.

    The weights are weaker than DeepLab's 4 to 5 and 3: speckle is no edge. With those the base weights lost
    0.016 in mean Dice on 35 real frames, with these 0.002, and their median rose by 0.05.
    """

    appearance: float = 2.0
    place: float = 50.0
    grey: float = 10.0
    smoothness: float = 1.0
    near: float = 3.0
    iterations: int = 5

    def __post_init__(self) -> None:
        for name, (least, most) in BOUNDS.items():
            value = getattr(self, name)
            # NaN lies in no bounds, nor does a whole number that no float holds.
            is_right = type(value) is int or (type(value) is float and name != "iterations")
            if not is_right or not least <= value <= most:
                kind = "a whole number" if name == "iterations" else "a number"
                got = f"CRF settings with {name} = {said(value)}"
                raise BadRequest(got, f"{kind} from {least} to {most}", USUAL)

    def to_dict(self) -> dict[str, Any]:
        """Give it in JSON's types; `crf_from_dict` reads it."""
        return asdict(self)


def crf_from_dict(values: Any) -> CrfSettings:
    """Read what `CrfSettings.to_dict` wrote. Raises BadRequest for anything else."""
    known = {field.name for field in fields(CrfSettings)}
    if not isinstance(values, dict) or set(values) - known:
        unknown = (
            ", ".join(sorted(map(str, set(values) - known))) if isinstance(values, dict) else said(values)
        )
        raise BadRequest(
            f"unknown CRF settings {unknown[:LONGEST_WORD]}", f"some of {', '.join(sorted(known))}", USUAL
        )
    return CrfSettings(**values)


def dense_crf(
    image: NDArray[np.uint8], probs: NDArray[np.float32], settings: CrfSettings | None = None
) -> NDArray[np.float32]:
    """Refine probabilities float32 (C, H, W) in 0..1 of a grey frame uint8 (H, W); the same shape.

    About a fifth of a second for a class at 512 x 512 px. Raises BadInput when the two do not fit.
    """
    if image.ndim != 2 or image.dtype != np.uint8 or probs.ndim != 3 or probs.shape[1:] != image.shape:
        got, need = f"a frame {image.shape} and probabilities {probs.shape}", "uint8 (H, W) and (C, H, W)"
        raise BadInput(got, need, "bring the probabilities to the frame's own size")
    settings = settings or CrfSettings()
    scale = max(image.shape) / REFERENCE_SIDE
    place, near = max(1.0, settings.place * scale), max(0.5, settings.near * scale)
    ties = [
        (settings.appearance, Tie(Bilateral(image, place, settings.grey), image.shape)),
        (settings.smoothness, Tie(Spatial(near), image.shape)),
    ]
    return np.stack([_mean_field(plane, ties, settings.iterations) for plane in probs])


class Spatial:
    """Sums of a Gaussian of place over all pixels: sum over j of k_ij v_j, k_ii = 1."""

    def __init__(self, sigma: float) -> None:
        self._taps = _taps(sigma)

    def __call__(self, plane: Plane) -> Plane:
        """Float32 (H, W) to the same."""
        return _filtered(plane, (self._taps, self._taps))


class Bilateral:
    """Sums of a Gaussian of place and grey over all pixels, by way of a grid of (row, column, grey).

    `place` in px, `grey` in levels: standard deviations.
    """

    def __init__(self, image: NDArray[np.uint8], place: float, grey: float) -> None:
        levels = image.astype(np.float32) - image.min()
        rows, columns = np.indices(image.shape, np.float32)
        axes = [(rows.ravel(), place), (columns.ravel(), place), (levels.ravel(), grey)]
        # A cell of one px or one level is exact, and one just above it would be worse than that.
        steps = [SPACING * sigma if SPACING * sigma >= 2 else 1.0 for _, sigma in axes]
        cells = [axis / np.float32(step) for (axis, _), step in zip(axes, steps, strict=True)]
        self._grid = tuple(int(axis.max()) + 2 for axis in cells)
        self._deal = _linear_weights(cells, self._grid)
        self._taps = [
            _corrected(axis, sigma / step) for axis, (_, sigma), step in zip(cells, axes, steps, strict=True)
        ]

    def __call__(self, plane: Plane) -> Plane:
        """Float32 (H, W) to the same."""
        dealt = (self._deal.T @ plane.ravel()).reshape(self._grid)
        read = self._deal @ _filtered(dealt, self._taps).ravel()
        return np.asarray(read.reshape(plane.shape), np.float32)


class Tie:
    """A kernel made fair: divided by the roots of both pixels' sums, and no pixel tied to itself."""

    def __init__(self, kernel: Callable[[Plane], Plane], shape: tuple[int, ...]) -> None:
        self._kernel = kernel
        self._sums = np.maximum(kernel(np.ones(shape, np.float32)), 1)
        self._roots = np.sqrt(self._sums)

    def __call__(self, plane: Plane) -> Plane:
        """Float32 (H, W) to the same."""
        pulled: Plane = self._kernel(plane / self._roots) / self._roots - plane / self._sums
        return pulled


def _mean_field(probs: Plane, ties: Sequence[tuple[float, Tie]], iterations: int) -> Plane:
    first = logit(np.clip(probs, LEAST, 1 - LEAST).astype(np.float32))
    current = probs
    for _ in range(iterations):
        votes = 2 * current - 1
        current = expit(first + sum(np.float32(weight) * tie(votes) for weight, tie in ties))
    return np.asarray(current, np.float32)


def _corrected(cells: Plane, sigma: float) -> Plane:
    """A Gaussian of `sigma` cells, less what dealing and reading at these places blur: a pixel at a share f
    between two cells has a variance of f (1 - f).
    """
    share = cells - np.floor(cells)
    left = sqrt(sigma**2 - 2 * float((share * (1 - share)).mean()))
    return _taps(left) * np.float32(sigma / left)


def _linear_weights(cells: Sequence[Plane], grid: tuple[int, ...]) -> sparse.csr_array:
    """The share of every pixel (rows) that each of the eight cells around it gets (columns)."""
    lows = [np.floor(axis).astype(np.int32) for axis in cells]
    parts = [axis - low for axis, low in zip(cells, lows, strict=True)]
    columns, shares = [], []
    for corner in product((0, 1), repeat=len(cells)):
        at = tuple(low + step for low, step in zip(lows, corner, strict=True))
        columns.append(np.ravel_multi_index(at, grid))
        each = [part if step else 1 - part for part, step in zip(parts, corner, strict=True)]
        shares.append(np.prod(each, axis=0, dtype=np.float32))
    pixels = np.tile(np.arange(len(lows[0])), len(columns))
    shape = len(lows[0]), prod(grid)
    return sparse.csr_array((np.concatenate(shares), (pixels, np.concatenate(columns))), shape=shape)


def _filtered(values: NDArray[Any], taps: Sequence[Plane]) -> NDArray[Any]:
    """Correlate along each axis, zero outside."""
    for axis, weights in enumerate(taps):
        if len(weights) <= WIDEST:
            values = ndimage.correlate1d(values, weights, axis, mode="constant")
        else:
            values = _filtered_wide(values, weights, axis)
    return values


def _filtered_wide(values: NDArray[Any], weights: Plane, axis: int) -> NDArray[Any]:
    """As `correlate1d` for taps that are the same on both sides, a band of lines at a time."""
    answer = np.empty_like(values)
    lines, answers = np.moveaxis(values, axis, -1), np.moveaxis(answer, axis, -1)
    long, middle = lines.shape[-1], len(weights) // 2
    half = weights[middle : middle + long]
    size = fft.next_fast_len(long + len(half), real=True)  # what comes in at the far end reaches no pixel
    around = np.zeros(size, np.float32)
    around[: len(half)], around[size + 1 - len(half) :] = half, half[:0:-1]
    factors = fft.rfft(around)
    for begin in range(0, len(lines), band := max(1, BAND * long // (size * lines[0].size))):
        part = slice(begin, begin + band)
        answers[part] = fft.irfft(fft.rfft(lines[part], size) * factors, size)[..., :long]
    return answer


def _taps(sigma: float) -> Plane:
    reach = ceil(TRUNCATE * sigma)
    return np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2).astype(np.float32)
