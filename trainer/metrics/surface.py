"""How far two outlines lie apart: HD95 and ASSD of a frame, in px of that frame.

An outline is made of the pixels of a mask that touch what is outside it by a side; what lies at the edge of
the frame counts as outlined there. Distances are Euclidean, between centres of pixels, without spacing: no
frame of Sonoloop carries one.

Where the truth or the prediction holds nothing there is no distance. Such cases are counted apart: `both
empty`, `missed` (truth, nothing drawn), `false alarm` (drawn, no truth). The first is left out of every
mean. The other two are left out of one reading, in which a network gains by drawing nothing where it is
unsure, and stand for the diagonal of the frame, the largest distance that it has, in the other ("worst").
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loop.masks import Mask
from trainer.metrics.counts import Floats, check_pair
from trainer.metrics.summary import Summary, known, summarise

PERCENT = 95
Plane = NDArray[np.bool_]


@dataclass(frozen=True)
class Surface:
    """Distances of one frame, one number a class, float64 (C,), NaN where undefined; `missed` and
    `false_alarm` bool (C,); `diagonal` of the frame. All in px.
    """

    hd95: Floats
    assd: Floats
    missed: NDArray[np.bool_]
    false_alarm: NDArray[np.bool_]
    diagonal: float

    def worst(self, name: str) -> Floats:
        """The distances "hd95" or "assd" with the diagonal where only one of both masks is empty."""
        is_one_sided = self.missed | self.false_alarm
        return np.where(is_one_sided, self.diagonal, getattr(self, name))

    def to_dict(self) -> dict[str, Any]:
        """Give it in JSON's types."""
        return {
            "hd95": [known(value) for value in self.hd95.tolist()],
            "assd": [known(value) for value in self.assd.tolist()],
            "missed": self.missed.tolist(),
            "false_alarm": self.false_alarm.tolist(),
            "diagonal": self.diagonal,
        }


def surface_from_dict(values: Mapping[str, Any]) -> Surface:
    """Read what `Surface.to_dict` wrote."""
    hd95, assd = (np.asarray([np.nan if v is None else v for v in values[n]]) for n in ("hd95", "assd"))
    missed, false_alarm = (np.asarray(values[name], np.bool_) for name in ("missed", "false_alarm"))
    return Surface(hd95, assd, missed, false_alarm, float(values["diagonal"]))


def measure_surface(prediction: Mask, truth: Mask) -> Surface:
    """Compare the outlines of two masks bool (C, H, W); a few ms for a frame of 512 x 512 px.

    HD95: the 95th percentile of the distances from each outline to the other, the larger of the two
    (Huttenlocher et al. 1993, robust form). ASSD: the mean of all these distances together. Raises BadMask.
    """
    check_pair(prediction, truth)
    pairs = list(zip(prediction, truth, strict=True))
    distances = [outline_distances(drawn, true) for drawn, true in pairs]
    return Surface(
        hd95=np.asarray([_hd95(*each) if each else np.nan for each in distances], np.float64),
        assd=np.asarray([_assd(*each) if each else np.nan for each in distances], np.float64),
        missed=np.asarray([bool(true.any() and not drawn.any()) for drawn, true in pairs], np.bool_),
        false_alarm=np.asarray([bool(drawn.any() and not true.any()) for drawn, true in pairs], np.bool_),
        diagonal=math.hypot(*truth.shape[1:]),
    )


def outline_distances(one: Plane, other: Plane) -> tuple[Floats, Floats] | None:
    """Distance in px of each outline pixel of `one` to the outline of `other`, and the reverse; bool (H, W)
    each. None where either is empty.
    """
    from scipy import ndimage  # takes a tenth of a second, which whoever only counts pixels need not pay

    if not (one.any() and other.any()):
        return None
    window = _window(one | other)
    edges = outline(one[window]), outline(other[window])
    to_one, to_other = (ndimage.distance_transform_edt(~edge) for edge in edges)
    return to_other[edges[0]], to_one[edges[1]]


def outline(plane: Plane) -> Plane:
    """The pixels of a mask bool (H, W) with a side towards anything else, the edge of the frame included."""
    from scipy import ndimage

    return np.asarray(plane & ~ndimage.binary_erosion(plane), np.bool_)


def _window(plane: Plane) -> tuple[slice, ...]:
    """The rectangle of what is there: outlines and the nearest points of each other lie in it."""
    return tuple(
        slice(int(hit[0]), int(hit[-1]) + 1) for hit in (np.flatnonzero(plane.any(axis=a)) for a in (1, 0))
    )


def _hd95(there: Floats, back: Floats) -> float:
    return float(max(np.percentile(there, PERCENT), np.percentile(back, PERCENT)))


def _assd(there: Floats, back: Floats) -> float:
    return float(np.concatenate([there, back]).mean())


@dataclass(frozen=True)
class SurfaceScores:
    """Distances over frames, px. `hd95` and `assd` over the pairs of outlines, `hd95_worst` and `assd_worst`
    with the diagonal for one-sided pairs; the counts are of pairs (frame, class).
    """

    hd95: Summary
    assd: Summary
    hd95_worst: Summary
    assd_worst: Summary
    both_empty: int
    missed: int
    false_alarms: int


class SurfaceBoard:
    """Collects frames one by one and computes their distances."""

    def __init__(self) -> None:
        self._frames: list[Surface] = []

    def update(self, surface: Surface) -> None:
        """Add one frame."""
        self._frames.append(surface)

    def compute(self) -> SurfaceScores:
        """Give all distances over the frames so far; no frame gives None and zeros."""
        missed = sum(int(each.missed.sum()) for each in self._frames)
        false_alarms = sum(int(each.false_alarm.sum()) for each in self._frames)
        pairs = sum(each.hd95.size for each in self._frames)
        defined = sum(int((~np.isnan(each.hd95)).sum()) for each in self._frames)
        return SurfaceScores(
            hd95=summarise(surface_values(self._frames, "hd95")),
            assd=summarise(surface_values(self._frames, "assd")),
            hd95_worst=summarise(surface_values(self._frames, "hd95", is_worst=True)),
            assd_worst=summarise(surface_values(self._frames, "assd", is_worst=True)),
            both_empty=pairs - defined - missed - false_alarms,
            missed=missed,
            false_alarms=false_alarms,
        )


def surface_values(frames: Sequence[Surface], name: str, *, is_worst: bool = False) -> Floats:
    """Distances "hd95" or "assd" of every frame and class, float64 (N, C), NaN where undefined."""
    if not frames:
        return np.zeros((0, 0))
    return np.stack([each.worst(name) if is_worst else getattr(each, name) for each in frames])
