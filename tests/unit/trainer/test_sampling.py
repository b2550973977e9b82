from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from loop.errors import BadInput, BadRequest
from loop.ports import Sampler
from trainer.sampling import SPREAD_LIMIT, beta_of_round, noisy_top, spread, top

SAMPLERS = {"top": top, "spread": spread, "noisy-top": noisy_top(1.0)}


def order(
    sampler: Sampler, scores: list[float], points: list[list[float]] | None = None, seed: int = 0
) -> list[int]:
    vectors = np.array(points if points is not None else [[1.0, 0.0]] * len(scores), np.float32).reshape(
        -1, 2
    )
    clips = [str(i) for i in range(len(scores))]
    chosen: NDArray[np.int64] = sampler(np.array(scores), vectors, clips, np.random.default_rng(seed))
    return [int(index) for index in chosen]


@pytest.mark.parametrize("name", SAMPLERS)
@settings(max_examples=40, deadline=None)
@given(data=st.data(), n=st.integers(0, 30))
def test_every_sampler_gives_a_permutation_and_the_same_one_for_the_same_seed(
    name: str, data: st.DataObject, n: int
) -> None:
    scores = data.draw(st.lists(st.floats(0, 1), min_size=n, max_size=n))
    point = st.lists(st.floats(-5, 5, width=32), min_size=2, max_size=2)
    points = data.draw(st.lists(point, min_size=n, max_size=n))
    chosen = order(SAMPLERS[name], scores, points)
    assert sorted(chosen) == list(range(n))
    assert chosen == order(SAMPLERS[name], scores, points)


def test_top_serves_the_least_sure_first_and_breaks_ties_by_the_seed() -> None:
    assert order(top, [0.1, 0.9, 0.5]) == [1, 2, 0]
    assert len({tuple(order(top, [0.5] * 6, seed=seed)) for seed in range(5)}) > 1


def test_spread_visits_every_cluster_before_it_comes_back_to_one() -> None:
    angles = [0, 0.01, 0.02, 1.5, 1.51, 3.0, 3.01, -1.5]
    points = [[np.cos(a), np.sin(a)] for a in angles]
    first = order(spread, [0.0] * 8, points)[:4]
    assert {min(i for i, a in enumerate(angles) if abs(a - angles[j]) < 0.1) for j in first} == {0, 3, 5, 7}


def test_spread_looks_at_direction_and_not_at_gain() -> None:
    points = [[1.0, 0.0], [9.0, 0.0], [0.0, 1.0]]
    assert 2 in order(spread, [0.0] * 3, points)[:2]


def test_spread_orders_a_pool_beyond_its_limit() -> None:
    points = np.random.default_rng(0).normal(size=(SPREAD_LIMIT + 50, 2)).tolist()
    assert sorted(order(spread, [0.0] * len(points), points)) == list(range(len(points)))


def test_noise_is_large_in_the_first_round_and_almost_gone_in_the_last() -> None:
    scores = np.linspace(0.01, 1, 60).tolist()
    rank_of_best = {
        number: np.mean(
            [order(noisy_top(beta_of_round(number)), scores, seed=s).index(59) for s in range(40)]
        )
        for number in (1, 20)
    }
    assert rank_of_best[1] > 5
    assert rank_of_best[20] < 1


def test_beta_rises_from_one_to_a_hundred() -> None:
    assert [beta_of_round(number) for number in (0, 1, 20, 99)] == [1.0, 1.0, 100.0, 100.0]
    assert 1 < beta_of_round(7) < beta_of_round(8) < 100


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -0.1])
def test_scores_that_cannot_be_compared_are_an_error(name: str, bad: float) -> None:
    with pytest.raises(BadInput):
        order(SAMPLERS[name], [0.1, bad])


def test_lists_of_different_lengths_are_an_error() -> None:
    with pytest.raises(BadInput):
        top(np.zeros(2), np.zeros((2, 2), np.float32), ["a"], np.random.default_rng(0))


def test_impossible_noise_is_refused() -> None:
    with pytest.raises(BadRequest):
        noisy_top(0.0)
