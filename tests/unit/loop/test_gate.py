"""The gate's decisions and figures."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loop.errors import BadRequest
from loop.gate import GateRule, judge
from loop.outcomes import FrameOutcome, frame_dice
from loop.resampling import bootstrap_means

PIXELS = 1000


def outcome(frame_id: int, tp: int = 0, fp: int = 0, fn: int = 0, group: str | None = None) -> FrameOutcome:
    counts = (np.array([value]) for value in (tp, fp, fn, PIXELS - tp - fp - fn))
    return FrameOutcome(frame_id, group or f"clip-{frame_id % 8}", *counts)


def frames(dice: float, count: int = 20) -> list[FrameOutcome]:
    """Frames whose Dice is about `dice`, each a little different."""
    wrong = [round(200 * (1 - dice)) + index % 3 for index in range(count)]
    return [outcome(index, tp=200 - bad, fp=bad, fn=bad) for index, bad in enumerate(wrong)]


def test_a_better_candidate_is_promoted_with_all_figures() -> None:
    verdict = judge(frames(0.9), frames(0.7), seed=1)
    assert verdict.is_promoted
    assert not verdict.is_unproven
    assert verdict.figures["delta"] == pytest.approx(0.2, abs=0.01)
    assert verdict.figures["probability"] == 1.0
    low, high = verdict.figures["interval"]
    assert low - 1e-9 <= verdict.figures["delta"] <= high + 1e-9
    assert (verdict.figures["frames"], verdict.figures["groups"]) == (20, 8)
    for model in ("candidate", "champion"):
        assert set(verdict.figures[model]) == {
            f"{name}{end}" for name in ("dice", "miou", "acc") for end in ("", "_by_class")
        }


def test_a_worse_candidate_is_kept_out_and_an_equal_one_comes_in() -> None:
    assert not judge(frames(0.7), frames(0.9), seed=1).is_promoted
    assert judge(frames(0.8), frames(0.8), seed=1).is_promoted


def test_the_margin_is_one_hundredth_of_dice() -> None:
    champion = frames(0.8)
    slightly = [
        outcome(item.frame_id, int(item.tp[0]) - 1, int(item.fp[0]) + 1, int(item.fn[0]) + 1)
        for item in champion
    ]
    clearly = [
        outcome(item.frame_id, int(item.tp[0]) - 3, int(item.fp[0]) + 3, int(item.fn[0]) + 3)
        for item in champion
    ]
    assert judge(slightly, champion, seed=0).is_promoted  # 0.005 worse
    assert not judge(clearly, champion, seed=0).is_promoted  # 0.015 worse


def test_groups_are_resampled_not_frames() -> None:
    """One recording with very many frames must not decide alone."""
    champion = [
        outcome(index, tp=100, fn=50, group="big" if index < 90 else f"small-{index}") for index in range(100)
    ]
    candidate = [
        outcome(
            index,
            tp=110 + index % 7 if index < 90 else 60,
            fn=40 - index % 7 if index < 90 else 90,
            group=item.group,
        )
        for index, item in enumerate(champion)
    ]
    verdict = judge(candidate, champion, seed=0)
    assert verdict.figures["delta"] > 0
    assert verdict.figures["probability"] < 0.8
    assert not verdict.is_promoted


def test_without_a_champion_a_sane_candidate_is_promoted_as_unproven() -> None:
    for held_out in (frames(0.1), []):
        verdict = judge(held_out, None, seed=0)
        assert verdict.is_promoted
        assert verdict.is_unproven


@pytest.mark.parametrize(
    "few", [frames(0.9, 9), [outcome(i, tp=90 - i, fn=10 + i, group=f"clip-{i % 5}") for i in range(30)]]
)
def test_with_too_few_frames_or_groups_the_higher_point_estimate_is_needed(few: list[FrameOutcome]) -> None:
    worse = [
        outcome(item.frame_id, int(item.tp[0]) - 1, int(item.fp[0]), int(item.fn[0]) + 1, item.group)
        for item in few
    ]
    up, same, down = judge(few, worse, seed=0), judge(few, few, seed=0), judge(worse, few, seed=0)
    assert [verdict.is_promoted for verdict in (up, same, down)] == [True, False, False]
    assert all(verdict.is_unproven for verdict in (up, same, down))


def test_with_no_labelled_held_out_frame_the_champion_stays() -> None:
    verdict = judge([], [], seed=0)
    assert (verdict.is_promoted, verdict.is_unproven) == (False, True)
    assert "no held-out frame is labelled yet" in verdict.reason


def test_where_nothing_is_held_out_a_candidate_serves_unproven_and_nobody_is_told_to_label_it() -> None:
    verdict = judge([], [], seed=0, has_held_out=False)
    assert (verdict.is_promoted, verdict.is_unproven) == (True, True)
    assert "no held-out recording; add more recordings" in verdict.reason
    assert "labelled yet" not in verdict.reason


@pytest.mark.parametrize("groups", [2, 5])
def test_a_few_recordings_prove_nothing_however_many_frames_they_have(groups: int) -> None:
    """Two of them have three different means: an interval of these would look like certainty."""
    champion = [outcome(index, tp=100, fn=60, group=f"clip-{index % groups}") for index in range(40)]
    candidate = [outcome(index, tp=120, fn=40, group=item.group) for index, item in enumerate(champion)]
    verdict = judge(candidate, champion, seed=0)
    assert (verdict.is_promoted, verdict.is_unproven) == (True, True)
    assert (verdict.figures["probability"], verdict.figures["interval"]) == (None, None)


def test_empty_against_empty_counts_one_and_a_false_positive_zero() -> None:
    assert frame_dice(outcome(1)) == 1.0
    assert frame_dice(outcome(1, fp=3)) == 0.0


def test_a_class_that_is_neither_there_nor_drawn_is_left_out_of_the_mean() -> None:
    two = FrameOutcome(1, "g", np.array([5, 0]), np.array([0, 0]), np.array([5, 0]), np.array([0, 10]))
    drawn = FrameOutcome(1, "g", np.array([5, 0]), np.array([0, 2]), np.array([5, 0]), np.array([0, 8]))
    assert frame_dice(two) == pytest.approx(2 / 3)
    assert frame_dice(drawn) == pytest.approx(1 / 3)


BROKEN = {
    "draws nothing": [outcome(index, fn=50 + index) for index in range(20)],
    "everywhere": [outcome(index, tp=50 + index, fp=950 - index) for index in range(20)],
    "same area": [outcome(index, tp=20 + index, fp=80 - index, fn=5) for index in range(20)],
    "not finite": [FrameOutcome(index, "g", *(np.array([np.nan]) for _ in range(4))) for index in range(20)],
}


@pytest.mark.parametrize("word", BROKEN)
@pytest.mark.parametrize("champion", [None, [outcome(index, fn=60) for index in range(20)]])
def test_a_broken_candidate_never_passes_even_against_nothing(
    word: str, champion: list[FrameOutcome] | None
) -> None:
    verdict = judge(BROKEN[word], champion, seed=0)
    assert not verdict.is_promoted
    assert word in verdict.reason


def test_nothing_drawn_where_nothing_is_to_be_found_is_sane() -> None:
    assert judge([outcome(index) for index in range(20)], frames(0.5), seed=0).is_promoted


def test_outcomes_on_different_frames_cannot_be_compared() -> None:
    with pytest.raises(BadRequest):
        judge(frames(0.9), frames(0.9)[1:], seed=0)


@settings(max_examples=30)
@given(st.integers(0, 2**32), st.lists(st.floats(-1, 1), min_size=1, max_size=20))
def test_bootstraps_repeat_with_their_seed_and_stay_within_the_values(seed: int, values: list[float]) -> None:
    groups = [f"g{index % 3}" for index in range(len(values))]
    means = bootstrap_means(np.array(values), groups, 50, seed)
    assert np.array_equal(means, bootstrap_means(np.array(values), groups, 50, seed))
    assert means.min() >= min(values) - 1e-9
    assert means.max() <= max(values) + 1e-9


def test_a_rule_can_be_changed() -> None:
    assert not judge(frames(0.8), frames(0.8), seed=0, rule=GateRule(margin=-0.05)).is_promoted
