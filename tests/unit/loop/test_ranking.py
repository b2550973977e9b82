"""Selections: a permutation of the pool, its arms, its quota per clip, and places for late comers."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loop.errors import BadInput
from loop.ranking import Candidate, QueueRule, compose, insert_places, place, respect_quota, take_turns
from loop.records import Arm, SelectionEntry

clips = st.sampled_from(["a", "b", "c", "d", "e", "f"])
uncertainties = st.none() | st.floats(0, 1)


def candidates(min_size: int = 0, max_size: int = 60) -> st.SearchStrategy[list[Candidate]]:
    rows = st.lists(st.tuples(clips, uncertainties), min_size=min_size, max_size=max_size)
    return rows.map(lambda rows: [Candidate(index, clip, value) for index, (clip, value) in enumerate(rows)])


def select(
    pool: list[Candidate], held_out: list[Candidate], seed: int = 0, labelled: int = 0
) -> list[SelectionEntry]:
    rule, generator = QueueRule(), np.random.default_rng(seed)
    return compose(pool, held_out, rule, generator, held_out_labelled=labelled)


@given(candidates(), st.integers(0, 20), st.integers(0, 9))
def test_a_selection_holds_every_frame_once_and_repeats_with_its_seed(
    pool: list[Candidate], held_out: int, seed: int
) -> None:
    blind_read = [Candidate(1000 + index, f"h{index % 2}") for index in range(held_out)]
    entries = select(pool, blind_read, seed)
    assert sorted(entry.frame_id for entry in entries) == sorted(
        item.frame_id for item in [*pool, *blind_read]
    )
    assert [entry.rank for entry in entries] == list(range(len(entries)))
    assert entries == select(pool, blind_read, seed)


@given(candidates(min_size=1))
def test_the_arms_get_their_shares_and_held_out_frames_their_own_arm(pool: list[Candidate]) -> None:
    held_out = [Candidate(2000, "h"), Candidate(2001, "h")]
    arms = Counter(entry.arm for entry in select(pool, held_out))
    assert arms[Arm.BLIND] == round(0.05 * len(pool))
    assert arms[Arm.RANDOM] == round(0.10 * len(pool))
    assert arms[Arm.HELD_OUT] == 2
    assert arms.total() == len(pool) + 2


@given(candidates())
def test_no_clip_exceeds_its_quota_in_a_window_while_another_clip_is_left(pool: list[Candidate]) -> None:
    rule = QueueRule(clip_quota=2, window=7)
    queue = respect_quota(pool, rule)
    assert sorted(item.frame_id for item in queue) == sorted(item.frame_id for item in pool)
    for index, item in enumerate(queue):
        recent = Counter(other.clip for other in queue[max(0, index - 6) : index])
        if recent[item.clip] >= 2:
            assert all(recent[other.clip] >= 2 for other in queue[index:])


@given(candidates())
def test_the_frames_of_one_clip_keep_the_samplers_order(pool: list[Candidate]) -> None:
    queue = respect_quota(pool, QueueRule())
    for clip in {item.clip for item in pool}:
        ids = [item.frame_id for item in queue if item.clip == clip]
        assert ids == sorted(ids)


def test_a_top_rank_stays_on_top() -> None:
    pool = [Candidate(index, f"clip-{index}", 1 - index / 100) for index in range(100)]
    entries = [entry for entry in select(pool, []) if entry.arm is Arm.SAMPLER]
    assert entries[0].frame_id in (0, 1, 2)
    assert [entry.frame_id for entry in entries] == sorted(entry.frame_id for entry in entries)


@pytest.mark.parametrize("count", [40, 400])
def test_enough_held_out_frames_come_early_for_the_first_gate(count: int) -> None:
    pool = [Candidate(index, f"clip-{index // 10}", 0.5) for index in range(count)]
    held_out = [Candidate(5000 + index, f"held-{index // 20}") for index in range(count // 4)]
    entries = select(pool, held_out)
    first = [entry for entry in entries[:33] if entry.arm is Arm.HELD_OUT]
    assert len(first) >= 10
    assert len({(entry.frame_id - 5000) // 20 for entry in first}) == -(-len(held_out) // 20)


def test_once_enough_are_labelled_held_out_frames_have_their_share_of_every_stretch() -> None:
    pool = [Candidate(index, f"clip-{index}", 0.5) for index in range(160)]
    held_out = [Candidate(5000 + index, "held") for index in range(40)]
    entries = select(pool, held_out, labelled=12)
    per_stretch = [
        sum(entry.arm is Arm.HELD_OUT for entry in entries[start : start + 20]) for start in range(0, 200, 20)
    ]
    assert all(3 <= number <= 5 for number in per_stretch)


def test_held_out_frames_alone_make_a_queue_too() -> None:
    assert [entry.arm for entry in select([], [Candidate(1, "h"), Candidate(2, "h")])] == [Arm.HELD_OUT] * 2
    assert select([], []) == []


def test_a_frame_given_twice_or_an_uncertainty_that_is_not_finite_is_refused() -> None:
    with pytest.raises(BadInput):
        select([Candidate(1, "a")], [Candidate(1, "a")])
    with pytest.raises(BadInput):
        select([Candidate(1, "a", float("nan"))], [])


@given(candidates())
def test_taking_turns_lets_each_clip_come_once_before_any_comes_twice(pool: list[Candidate]) -> None:
    seen: Counter[str] = Counter()
    totals = Counter(item.clip for item in pool)
    for item in take_turns(pool):
        seen[item.clip] += 1
        assert all(seen[clip] >= min(totals[clip], seen[item.clip] - 1) for clip in totals)


@given(st.integers(1, 500))
def test_places_rise_strictly_between_zero_and_one(count: int) -> None:
    places = [place(rank, count) for rank in range(count)]
    assert places[0] > 0
    assert places[-1] < 1
    assert all(low < high for low, high in pairwise(places))


@settings(max_examples=50)
@given(candidates(max_size=30), candidates(max_size=30), st.integers(0, 9))
def test_new_frames_get_places_of_their_own_and_nobody_else_moves(
    old: list[Candidate], new: list[Candidate], seed: int
) -> None:
    queue = [(place(rank, len(old)), item.uncertainty) for rank, item in enumerate(old)]
    arrivals = [Candidate(100 + item.frame_id, item.clip, item.uncertainty) for item in new]
    places = insert_places(queue, arrivals, QueueRule(), np.random.default_rng(seed))
    assert set(places) == {item.frame_id for item in arrivals}
    everyone = [position for position, _ in queue] + list(places.values())
    assert len(set(everyone)) == len(everyone)
    assert all(0 < position < 1 for position in everyone)
    assert places == insert_places(queue, arrivals, QueueRule(), np.random.default_rng(seed))


def test_a_new_frame_stands_between_the_more_and_the_less_uncertain() -> None:
    queue = [(place(rank, 4), value) for rank, value in enumerate([0.9, 0.7, 0.5, 0.3])]
    arrivals = [Candidate(1, "a", 0.6), Candidate(2, "b", 1.0), Candidate(3, "c", 0.1)]
    places = insert_places(queue, arrivals, QueueRule(), np.random.default_rng(0))
    assert queue[1][0] < places[1] < queue[2][0]
    assert places[2] < queue[0][0]
    assert queue[3][0] < places[3]


def test_many_new_frames_of_one_clip_do_not_stand_in_a_row() -> None:
    queue = [(place(rank, 100), 0.5) for rank in range(100)]
    arrivals = [Candidate(index, "new", 0.9) for index in range(5)]
    places = sorted(insert_places(queue, arrivals, QueueRule(), np.random.default_rng(0)).values())
    between = [sum(low < position < high for position, _ in queue) for low, high in pairwise(places)]
    assert min(between) >= 9
