"""Orderings of the unlabelled pool: each fulfils `loop.ports.Sampler` and gives a permutation, first served
first.

Quotas per clip and the arms of a Selection are not their business (`loop.ranking`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from loop.errors import BadInput, BadRequest
from loop.ports import Sampler

Scores = NDArray[np.float64]
Vectors = NDArray[np.float32]
Order = NDArray[np.int64]

SPREAD_LIMIT = 512
"""How many places `spread` chooses one by one; beyond that nobody sees a difference and the time grows with
it.
"""
TINY = 1e-12


def top(
    uncertainties: Scores, embeddings: Vectors, clips: Sequence[str], generator: np.random.Generator
) -> Order:
    """Order by falling uncertainty; equal ones in random order."""
    _check(uncertainties, embeddings, clips)
    return _descending(uncertainties, generator)


def spread(
    uncertainties: Scores, embeddings: Vectors, clips: Sequence[str], generator: np.random.Generator
) -> Order:
    """Order so that every beginning covers the pool: the most typical frame, then always the one farthest
    from all chosen so far (greedy k-centre, Sener & Savarese 2018, algorithm 1). For the first choice,
    before any label.
    """
    _check(uncertainties, embeddings, clips)
    if not len(embeddings):
        return np.zeros(0, np.int64)
    points = _directions(embeddings)
    centre = _distances(points, points.mean(axis=0))
    chosen = [int(centre.argmin())]
    nearest = _distances(points, points[chosen[0]])
    while len(chosen) < min(SPREAD_LIMIT, len(points)):
        nearest[chosen[-1]] = -1.0  # below every distance: never chosen twice, also among equal frames
        chosen.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, _distances(points, points[chosen[-1]]))
    nearest[chosen] = -1.0
    return np.concatenate([chosen, _descending(nearest, generator)[: len(points) - len(chosen)]]).astype(
        np.int64
    )


def noisy_top(beta: float) -> Sampler:
    """Make a sampler that orders by log(uncertainty) + Gumbel(0, 1 / beta) noise: at a small beta nearly
    random, at a large one nearly `top` (ClaSP PE, arXiv 2601.13677). Raises BadRequest for a beta that is
    not above zero.
    """
    if not beta > 0:
        raise BadRequest(f"a beta of {beta}", "one above zero", "take 1 to explore, 100 to follow the scores")

    def sample(
        uncertainties: Scores, embeddings: Vectors, clips: Sequence[str], generator: np.random.Generator
    ) -> Order:
        _check(uncertainties, embeddings, clips)
        noise = generator.gumbel(0.0, 1.0 / beta, len(uncertainties))
        return _descending(np.log(np.maximum(uncertainties, TINY)) + noise, generator)

    return sample


def beta_of_round(number: int, rounds: int = 20) -> float:
    """Give the noise of round 1, 2, ...: from 1 (explore) exponentially to 100 (exploit) at `rounds` and
    after.
    """
    share = min(max(number - 1, 0) / max(rounds - 1, 1), 1.0)
    return float(100.0**share)


def _check(uncertainties: Scores, embeddings: Vectors, clips: Sequence[str]) -> None:
    sizes = {len(uncertainties), len(embeddings), len(clips)}
    if len(sizes) > 1:
        got = f"{sorted(sizes)} scores, embeddings and clips"
        raise BadInput(got, "as many of each", "score the frames again, all by one model")
    if not (np.isfinite(uncertainties).all() and np.isfinite(embeddings).all()):
        got = "uncertainties or embeddings that are not finite"
        raise BadInput(got, "finite ones", "the model is broken: roll back")
    if len(uncertainties) and uncertainties.min() < 0:
        raise BadInput("a negative uncertainty", "one of zero or above", "score the frames again")


def _descending(values: Scores, generator: np.random.Generator) -> Order:
    shuffled = generator.permutation(len(values))
    return np.asarray(shuffled[np.argsort(-values[shuffled], kind="stable")], np.int64)


def _directions(embeddings: Vectors) -> Scores:
    """Unit vectors: how strongly a frame excites the encoder follows its gain, not its content."""
    points = embeddings.astype(np.float64)
    return np.asarray(points / np.maximum(np.linalg.norm(points, axis=1, keepdims=True), TINY))


def _distances(points: Scores, point: Scores) -> Scores:
    return np.asarray(np.linalg.norm(points - point, axis=1))
