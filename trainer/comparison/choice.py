"""Which frames a picture sheet shows: by a rule stated beforehand, never by who looks best on them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
RULE = (
    "Frames at the 5, 25, 50, 75 and 95 % quantiles of Dice (the mean over all networks and seeds) among "
    "frames whose truth holds a class, then the first frame without."
)


def choose_frames(dice: NDArray[np.float64], is_empty: Sequence[bool]) -> list[int]:
    """Places of the frames to show, worst first, then one empty frame if there is any.

    `dice` float64 (N,) is the mean over networks and seeds, NaN where none defines it; `is_empty` says where
    the truth holds no class. Of few frames each is shown once; of none, nothing.
    """
    full = [place for place in range(len(dice)) if not is_empty[place] and not np.isnan(dice[place])]
    ranked = sorted(full, key=lambda place: (dice[place], place))
    wanted = [ranked[round(share * (len(ranked) - 1))] for share in QUANTILES] if ranked else []
    empty = [place for place in range(len(dice)) if is_empty[place]][:1]
    return list(dict.fromkeys([*wanted, *empty]))
