"""Means over groups drawn with replacement: the cluster bootstrap of the gate."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from loop.outcomes import Floats


def bootstrap_means(values: Floats, groups: Sequence[str], draws: int, seed: int) -> Floats:
    """Means (draws,) of `values` (N,) over groups drawn with replacement. Empty gives zeros."""
    names, member = np.unique(np.asarray(groups, dtype=np.str_), return_inverse=True)
    if not len(names):
        return np.zeros(draws)
    sums, sizes = np.bincount(member, values), np.bincount(member)
    drawn = np.random.default_rng(seed).integers(len(names), size=(draws, len(names)))
    return np.asarray(sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1), dtype=np.float64)
