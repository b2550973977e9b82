"""When a round is due, and which moves it may make."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loop.errors import IllegalMove
from loop.policy import LEGAL_MOVES, LabelCounts, TriggerRule, check_move, should_retrain
from loop.training_records import RoundState

counts = st.integers(0, 5000)


@given(counts, counts)
def test_a_round_is_due_after_twenty_new_masks_or_ten_percent_whichever_is_larger(
    new: int, before: int
) -> None:
    trigger = should_retrain(LabelCounts(new, before, may_teach=True), TriggerRule())
    assert trigger.is_due == (new >= 20 and 10 * new >= before)
    assert str(new) in trigger.reason


def test_growth_is_not_rounded_up_by_binary_fractions() -> None:
    assert TriggerRule(min_new=1, growth=0.1).needed(30) == 3
    assert TriggerRule(min_new=1, growth=0.1).needed(31) == 4


def test_a_person_may_force_a_round_but_not_without_a_label_to_learn_from() -> None:
    assert should_retrain(LabelCounts(0, 50, may_teach=True), TriggerRule(), is_forced=True).is_due
    assert not should_retrain(LabelCounts(99, 0, may_teach=False), TriggerRule(), is_forced=True).is_due
    assert not should_retrain(LabelCounts(99, 0, may_teach=False), TriggerRule()).is_due


def test_every_state_has_its_moves_and_ended_rounds_have_none() -> None:
    assert set(LEGAL_MOVES) == set(RoundState)
    for state, moves in LEGAL_MOVES.items():
        assert bool(moves) == state.is_live


@given(st.sampled_from(RoundState), st.sampled_from(RoundState))
def test_a_move_that_the_table_does_not_hold_is_refused_by_name(state: RoundState, to: RoundState) -> None:
    if to in LEGAL_MOVES[state]:
        check_move(state, to)
    else:
        with pytest.raises(IllegalMove, match=state.value):
            check_move(state, to)


def test_no_round_is_promoted_without_passing_the_gate() -> None:
    before = [state for state, moves in LEGAL_MOVES.items() if RoundState.PROMOTED in moves]
    assert before == [RoundState.GATING]
