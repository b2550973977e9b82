"""Figures, intervals and differences of a comparison, from judged frames."""

from __future__ import annotations

import numpy as np
import pytest

from loop.errors import BadRequest
from tests.judged import alarm, judged, some_runs
from trainer.comparison.aggregate import aggregate
from trainer.comparison.choice import choose_frames
from trainer.comparison.statistic import STATISTICS
from trainer.metrics import score
from trainer.metrics.counts import frame_dice


def test_figures_are_means_over_seeds_and_lie_within_their_intervals() -> None:
    runs = some_runs(["good", "bad"], seeds=3)
    figures, (difference,) = aggregate(runs, 300)
    scores = [score([frame.counts for frame in frames]) for frames in runs["good"]]
    assert figures[0].figures["dice"].value == pytest.approx(np.mean([each.dice_mean for each in scores]))
    assert figures[0].figures["acc"].value == pytest.approx(np.mean([each.acc for each in scores]))
    assert figures[0].figures["miou"].value == pytest.approx(np.mean([each.miou for each in scores]))
    for network in figures:
        assert network.figures.keys() == STATISTICS.keys()
        for name, figure in network.figures.items():
            assert figure.value is not None, name
            assert figure.low is not None, name
            assert figure.high is not None, name
            assert figure.low <= figure.value <= figure.high, name
    assert (difference.network, difference.reference) == ("bad", "good")
    gap = difference.figures["dice"]
    assert gap.value == pytest.approx(
        (figures[1].figures["dice"].value or 0) - (figures[0].figures["dice"].value or 0)
    )
    assert gap.high is not None
    assert gap.high < 0, "the second network is worse on every frame"


def test_the_difference_of_a_network_to_its_twin_is_nothing_at_all() -> None:
    runs = some_runs(["one"])
    _, (difference,) = aggregate({"one": runs["one"], "twin": runs["one"]}, 50)
    assert {(f.value, f.low, f.high) for f in difference.figures.values()} == {(0.0, 0.0, 0.0)}


def test_a_difference_counts_the_frames_that_have_a_value_for_both_networks() -> None:
    """Two of six frames show nothing. One network leaves them empty, the other draws there: what it draws on
    the other frames is better all the same, and every one of them says so.
    """
    clean = [judged(n, f"clip{n}", 4, is_empty=n > 3) for n in range(6)]
    frames = [judged(n, f"clip{n}", 1) for n in range(4)]
    alarms = [alarm(judged(n, f"clip{n}", 0)) for n in (4, 5)]
    (first, other), (difference,) = aggregate({"clean": [clean], "alarms": [frames + alarms]}, 300)
    gap = difference.figures["dice"]
    pairs = zip(frames, clean, strict=False)
    each = [(frame_dice(one.counts) or 0) - (frame_dice(two.counts) or 0) for one, two in pairs]
    assert gap.value == pytest.approx(np.mean(each))
    assert gap.low is not None
    assert gap.high is not None
    assert min(each) - 1e-9 <= gap.low <= gap.high <= max(each) + 1e-9
    assert gap.low > 0
    assert gap.clips == 4
    of_cells = (other.figures["dice"].value or 0) - (first.figures["dice"].value or 0)
    assert of_cells < 0, "by the frames of its own the better drawing would look worse"
    for name in ("acc", "miou", "dice_empty_as_one"):  # pooled, or of every frame: both have the same
        assert difference.figures[name].value == pytest.approx(
            (other.figures[name].value or 0) - (first.figures[name].value or 0)
        )


def test_seeds_that_differ_widen_an_interval() -> None:
    frames = [judged(n, f"clip{n}", 2) for n in range(6)]
    worse = [judged(n, f"clip{n}", 12) for n in range(6)]
    (steady, shaky), _ = aggregate({"steady": [frames, frames], "shaky": [frames, worse]}, 300)
    widths = [(each.figures["dice"].high or 0) - (each.figures["dice"].low or 0) for each in (steady, shaky)]
    assert widths[1] > 2 * widths[0]


@pytest.mark.parametrize("seeds", [1, 3])
def test_of_one_test_clip_there_are_values_without_intervals(seeds: int) -> None:
    """Seeds that differ say nothing of another clip either."""
    runs = {
        name: [[judged(n, "clip", shift + seed + n) for n in range(4)] for seed in range(seeds)]
        for name, shift in (("one", 1), ("other", 4))
    }
    networks, (difference,) = aggregate(runs, 50)
    for figures in (networks[0].figures, networks[1].figures, difference.figures):
        assert all(each.value is not None for each in figures.values())
        assert {(each.low, each.high) for each in figures.values()} == {(None, None)}


def test_a_figure_that_two_clips_alone_define_has_no_interval_while_others_have() -> None:
    """Of four clips two are empty and drawn so: Dice knows two clips, accuracy all."""
    frames = [judged(n, f"clip{n}", 1 + n, is_empty=n > 1) for n in range(4)]
    better = [judged(n, f"clip{n}", 0, is_empty=n > 1) for n in range(4)]
    (first, _), (difference,) = aggregate({"one": [frames], "other": [better]}, 200)
    for figures in (first.figures, difference.figures):
        assert figures["dice"].value is not None
        assert figures["dice"].low is figures["dice"].high is None
        assert figures["acc"].low is not None
        assert (figures["dice"].clips, figures["acc"].clips) == (2, 4)


def test_runs_on_different_frames_are_not_compared() -> None:
    frames = [judged(n, f"clip{n}", 1) for n in range(3)]
    with pytest.raises(BadRequest, match="different frames"):
        aggregate({"a": [frames], "b": [frames[:2]]}, 10)


def test_frames_are_shown_from_the_worst_to_the_best_by_rank_then_an_empty_one() -> None:
    dice = np.asarray([0.9, 0.1, np.nan, 0.5, 0.7, 0.3, 0.0])
    is_empty = [False, False, True, False, False, False, True]
    assert choose_frames(dice, is_empty) == [1, 5, 3, 4, 0, 2]
    assert choose_frames(np.asarray([0.4]), [False]) == [0]
    assert choose_frames(np.asarray([]), []) == []
