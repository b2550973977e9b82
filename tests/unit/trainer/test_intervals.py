from __future__ import annotations

import numpy as np
import pytest

from loop.errors import BadRequest
from loop.resampling import bootstrap_means
from trainer.metrics import Counts, as_observed, interval, one_by_one, overall, resample
from trainer.metrics.counts import class_mean, frame_dice, stack, stack_background
from trainer.metrics.intervals import expanded_tail
from trainer.metrics.summary import pool

CLIPS = ["a", "a", "b", "c", "c", "c"]
VALUES = np.asarray([0.2, 0.4, 0.9, 0.5, 0.6, 0.7])


def some_counts(seed: int, classes: int = 2) -> list[Counts]:
    rng = np.random.default_rng(seed)
    return [Counts(*rng.integers(1, 90, (4, classes))) for _ in CLIPS]


def test_the_drawing_as_observed_gives_the_plain_value() -> None:
    observed = as_observed(CLIPS)
    assert observed.means(VALUES) == pytest.approx([VALUES.mean()])
    frames = some_counts(1)
    sums = observed.sums(stack(frames))
    assert sums == pytest.approx(stack(frames).sum(axis=0)[np.newaxis])


def test_clips_are_drawn_whole_as_the_gate_draws_them() -> None:
    drawn = resample(CLIPS, draws=300, seed=5)
    assert drawn.means(VALUES) == pytest.approx(bootstrap_means(VALUES, CLIPS, 300, 5))
    assert (drawn.weights.sum(axis=1) == 3).all(), "as many clips as there are, each with all its frames"


def test_a_pooled_statistic_of_a_drawing_is_that_of_its_frames() -> None:
    frames, drawn = some_counts(2), resample(CLIPS, draws=20, seed=1)
    values = overall("dice", drawn.sums(stack(frames)), drawn.sums(stack_background(frames)))
    for weights, value in zip(drawn.weights, values, strict=True):
        copies = [
            frame for clip, frame in zip(drawn.member, frames, strict=True) for _ in range(int(weights[clip]))
        ]
        assert value == pytest.approx(pool(copies, "dice").value)


def test_undefined_frames_are_left_out_of_means_and_empty_drawings_are_counted() -> None:
    clips = [*CLIPS, "d"]
    values = np.asarray([0.5, np.nan, 0.9, 0.7, np.nan, np.nan, np.nan])  # nothing defines it in clip d
    drawn = resample(clips, draws=2000, seed=0)
    found = interval(drawn.means(values), one_by_one(clips).means(values))
    assert (found.low, found.high) == pytest.approx((0.5, 0.9), abs=1e-3)
    none_of_them = (drawn.weights[:, :3] == 0).all(axis=1)
    assert found.undefined == int(none_of_them.sum()) > 0
    assert found.clips == 3
    nothing = interval(np.full(7, np.nan), np.full(3, np.nan))
    assert (nothing.low, nothing.high, nothing.clips, nothing.undefined) == (None, None, 0, 7)


def test_one_clip_has_no_interval_for_one_of_no_width_would_look_like_certainty() -> None:
    found = interval(resample(["a"] * 6, 50).means(VALUES), one_by_one(["a"] * 6).means(VALUES))
    assert (found.low, found.high) == (None, None)


def test_two_clips_have_no_interval_for_it_would_hold_half_of_the_time() -> None:
    clips = ["a", "a", "a", "b", "b", "b"]
    found = interval(resample(clips, 200).means(VALUES), one_by_one(clips).means(VALUES))
    assert (found.low, found.high, found.clips) == (None, None, 2)


@pytest.mark.parametrize("clips", [2, 3, 6, 20, 1000])
def test_the_expanded_tail_is_that_of_the_t_distribution_on_a_spread_too_small(clips: int) -> None:
    from scipy import stats

    mean, spread = 0.0, np.sqrt((clips - 1) / clips)  # of the drawings, in standard errors
    bound = stats.t.ppf(0.025, clips - 1)
    assert expanded_tail(clips) == pytest.approx(stats.norm.cdf(bound, mean, spread), rel=1e-6)
    assert expanded_tail(clips) < 0.025


def test_an_only_clip_that_defines_a_value_gives_it_no_interval() -> None:
    values = np.asarray([np.nan, np.nan, np.nan, 0.2, 0.9, np.nan])  # two frames, of clip c alone
    drawn = resample(CLIPS, draws=500, seed=0)
    found = interval(drawn.means(values), one_by_one(CLIPS).means(values))
    assert (found.low, found.high) == (None, None)
    assert found.undefined == int((drawn.weights[:, 2] == 0).sum()) > 0


def test_the_clips_one_by_one_give_the_value_of_each() -> None:
    assert one_by_one(CLIPS).means(VALUES) == pytest.approx([0.3, 0.9, 0.6])


def test_a_paired_difference_is_surer_than_two_intervals() -> None:
    """What both models find hard cancels out: half of a unit of difference stands out of clips that vary by
    ten.
    """
    rng = np.random.default_rng(0)
    clips = [f"clip{number}" for number in range(30)]
    hard = rng.normal(0, 10, 30)
    one, other = hard + rng.normal(0, 0.1, 30), hard + 0.5 + rng.normal(0, 0.1, 30)
    drawn = resample(clips, seed=2)
    difference = interval(drawn.means(other) - drawn.means(one), other - one)
    assert difference.low is not None
    assert difference.low > 0.3
    alone, beside = interval(drawn.means(one), one), interval(drawn.means(other), other)
    assert alone.high is not None
    assert beside.low is not None
    assert alone.high > beside.low, "the intervals overlap"


@pytest.mark.parametrize(("number", "least", "most"), [(3, 0.68, 0.82), (6, 0.90, 0.97), (40, 0.91, 0.98)])
def test_an_interval_holds_the_true_mean_about_as_often_as_is_said(
    number: int, least: float, most: float
) -> None:
    """Of six clips plain percentiles held in .85 of the cases."""
    hits, trials = 0, 400
    clips = [f"clip{frame // 3}" for frame in range(3 * number)]
    for trial in range(trials):
        rng = np.random.default_rng([number, trial])
        values = np.repeat(rng.normal(0, 1, number), 3) + rng.normal(0, 0.3, 3 * number)
        found = interval(resample(clips, 1000, trial).means(values), one_by_one(clips).means(values))
        assert found.low is not None
        assert found.high is not None
        hits += found.low <= 0 <= found.high
    assert least <= hits / trials <= most


def test_nothing_cannot_be_drawn_from() -> None:
    with pytest.raises(BadRequest):
        resample([])
    with pytest.raises(BadRequest):
        stack([])


def test_class_mean_leaves_out_what_is_undefined() -> None:
    assert class_mean(np.asarray([[1.0, np.nan], [np.nan, np.nan]])) == pytest.approx(
        [1.0, np.nan], nan_ok=True
    )
    assert frame_dice(Counts(*np.asarray([[1, 0], [1, 0], [1, 0], [5, 8]]))) == 0.5
