"""Held-out groups and the inner split."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from loop.splits import choose_held_out, inner_split, is_held_out

groups = st.sets(st.text(min_size=1, max_size=4), max_size=30)
fractions = st.floats(0.01, 0.99)
seeds = st.integers(0, 5)


@given(groups, fractions, seeds, st.data())
def test_what_was_pinned_stays_and_what_is_barred_is_not_chosen(
    names: set[str], fraction: float, seed: int, data: st.DataObject
) -> None:
    pinned = data.draw(st.sets(st.sampled_from(sorted(names)))) if names else set()
    barred = data.draw(st.sets(st.sampled_from(sorted(names)))) - pinned if names else set()
    chosen = choose_held_out(names, pinned, fraction, seed, barred)
    assert pinned <= chosen <= names
    assert not chosen & barred


@given(groups, fractions, seeds)
def test_from_five_groups_on_two_are_held_out_and_never_more_than_half(
    names: set[str], fraction: float, seed: int
) -> None:
    chosen = choose_held_out(names, set(), fraction, seed)
    assert len(chosen) <= len(names) // 2
    if len(names) >= 5:
        assert len(chosen) >= 2


@given(groups, fractions, seeds)
def test_the_order_in_which_groups_are_named_says_nothing(
    names: set[str], fraction: float, seed: int
) -> None:
    forth = choose_held_out(sorted(names), set(), fraction, seed)
    assert forth == choose_held_out(sorted(names, reverse=True), set(), fraction, seed)


def test_about_the_wanted_share_is_held_out_and_another_seed_holds_out_others() -> None:
    names = [f"clip-{index}" for index in range(2000)]
    chosen = {name for name in names if is_held_out(name, 0.2, 0)}
    assert 0.17 < len(chosen) / 2000 < 0.23
    assert chosen != {name for name in names if is_held_out(name, 0.2, 1)}


@given(groups, fractions, seeds)
def test_the_inner_split_takes_at_least_one_group_and_never_all(
    names: set[str], fraction: float, seed: int
) -> None:
    inner = inner_split(names, fraction, seed)
    assert inner <= names
    assert (0 < len(inner) < len(names)) if len(names) > 1 else not inner
