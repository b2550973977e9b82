"""The gate on several classes, and on a champion that lies behind the best before it."""

from __future__ import annotations

import numpy as np
import pytest

from loop.gate import judge
from loop.gate_classes import Behind, behind_from_dict
from loop.outcomes import FrameOutcome

CLASSES = ("Vein", "Artery")
AREA, PIXELS = 1000, 10_000


def outcome(number: int, group: str, dice: tuple[float | None, ...]) -> FrameOutcome:
    """Both classes 1000 px large and as large drawn, with that Dice; None: neither there nor drawn."""
    tp = np.array([0 if each is None else round(AREA * each) for each in dice])
    wrong = np.array([0 if each is None else AREA - round(AREA * each) for each in dice])
    return FrameOutcome(number, group, tp, wrong, wrong, PIXELS - tp - 2 * wrong)


def frames(*dice: float | None, groups: int = 8, per_group: int = 3, seed: int = 0) -> list[FrameOutcome]:
    """Frames whose Dice lies within 0.01 of what is given for each class."""
    generator = np.random.default_rng(seed)
    return [
        outcome(
            number,
            f"clip-{number % groups}",
            tuple(None if each is None else each + generator.uniform(-0.01, 0.01) for each in dice),
        )
        for number in range(groups * per_group)
    ]


def test_a_class_that_is_lost_keeps_the_champion_although_the_mean_stays() -> None:
    verdict = judge(frames(0.9, 0.5), frames(0.7, 0.7), seed=0, classes=CLASSES)
    assert verdict.figures["probability"] == 1.0, "the mean alone would let it in"
    assert not verdict.is_promoted
    assert verdict.reason.startswith("kept: Artery is worse: P(change in Dice > -0.05) = 0.000 < 0.5")
    assert "Vein" not in verdict.reason
    vein, artery = verdict.figures["by_class"]
    assert (vein["class"], artery["class"]) == CLASSES
    assert (vein["delta"], artery["delta"]) == (pytest.approx(0.2, abs=0.01), pytest.approx(-0.2, abs=0.01))
    assert (artery["frames"], artery["groups"], artery["probability"]) == (24, 8, 0.0)
    assert (artery["champion"], artery["candidate"]) == (
        pytest.approx(0.7, abs=0.01),
        pytest.approx(0.5, abs=0.01),
    )


def test_a_class_may_be_a_little_worse_where_the_mean_is_not() -> None:
    assert judge(frames(0.75, 0.68), frames(0.7, 0.7), seed=0, classes=CLASSES).is_promoted


def test_a_class_is_judged_where_truth_or_either_model_holds_it() -> None:
    """The champion draws an artery on frames that have none; the candidate no longer does: that is a gain."""
    champion = [
        FrameOutcome(
            n,
            f"g{n % 8}",
            np.array([700, 0]),
            np.array([300, 50 * (n < 12)]),
            np.array([300, 0]),
            np.array([8700, 10_000 - 50 * (n < 12)]),
        )
        for n in range(24)
    ]
    candidate = [outcome(n, f"g{n % 8}", (0.7, None)) for n in range(24)]
    verdict = judge(candidate, champion, seed=0, classes=CLASSES)
    assert verdict.is_promoted
    assert [(each["frames"], each["delta"]) for each in verdict.figures["by_class"]] == [(24, 0.0), (12, 1.0)]


@pytest.mark.parametrize("per_group", [2, 20])
def test_a_class_that_is_lost_is_seen_in_two_recordings_too(per_group: int) -> None:
    few = {"groups": 2, "per_group": per_group}
    verdict = judge(frames(0.95, 0.5, **few), frames(0.7, 0.7, **few), seed=0, classes=CLASSES)
    assert (verdict.is_promoted, verdict.is_unproven) == (False, True)
    assert "Artery is worse: Dice -0.2" in verdict.reason


def test_a_class_of_a_frame_or_two_decides_nothing() -> None:
    champion = frames(0.7, None)
    champion[0] = outcome(0, champion[0].group, (0.7, 0.7))
    candidate = frames(0.75, None)
    candidate[0] = outcome(0, candidate[0].group, (0.75, 0.5))
    verdict = judge(candidate, champion, seed=0, classes=CLASSES)
    assert verdict.is_promoted
    assert verdict.figures["by_class"][1]["probability"] is None


def test_a_class_without_any_frame_has_no_figures() -> None:
    verdict = judge(frames(0.8, None), frames(0.7, None), seed=0, classes=CLASSES)
    assert verdict.is_promoted
    assert verdict.figures["by_class"][1]["delta"] is None


def test_a_candidate_that_is_worse_in_the_mean_is_refused_for_that() -> None:
    verdict = judge(frames(0.6, 0.5), frames(0.7, 0.7), seed=0, classes=CLASSES)
    assert verdict.reason.startswith("kept: P(change in Dice > -0.01)")


def test_one_class_alone_is_judged_by_the_mean() -> None:
    verdict = judge(frames(0.7), frames(0.7), seed=0, classes=CLASSES[:1])
    assert verdict.is_promoted
    assert len(verdict.figures["by_class"]) == 1


def test_margins_of_several_rounds_do_not_add_up() -> None:
    """Each model is .006 worse than the one before, which alone is within the margin."""
    dice, behind, promoted = 0.8, Behind(), []
    for _ in range(4):
        worse = [outcome(n, f"clip-{n % 8}", (dice - 0.006,)) for n in range(24)]
        before = [outcome(n, f"clip-{n % 8}", (dice,)) for n in range(24)]
        verdict = judge(worse, before, seed=0, behind=behind)
        promoted.append(verdict.is_promoted)
        if verdict.is_promoted:
            dice, behind = dice - 0.006, behind_from_dict(verdict.figures["behind"])
    assert promoted == [True, False, False, False]
    assert "P(change in Dice > -0.004) = 0.000 < 0.8, for the champion lies 0.006 behind" in verdict.reason


def test_margins_of_a_class_do_not_add_up_either() -> None:
    vein, artery, behind, promoted = 0.6, 0.8, Behind(), []
    for _ in range(3):
        new = [outcome(n, f"clip-{n % 8}", (vein + 0.05, artery - 0.04)) for n in range(24)]
        old = [outcome(n, f"clip-{n % 8}", (vein, artery)) for n in range(24)]
        verdict = judge(new, old, seed=0, classes=CLASSES, behind=behind)
        promoted.append(verdict.is_promoted)
        if verdict.is_promoted:
            vein, artery, behind = vein + 0.05, artery - 0.04, behind_from_dict(verdict.figures["behind"])
    assert promoted == [True, False, False]
    assert "the champion lies 0.040 behind the best before it in Artery" in verdict.reason
    assert "worse" not in verdict.reason, "it is, by less than a class may be"


def test_a_better_model_catches_up_and_a_new_best_begins_at_nothing() -> None:
    better = judge(frames(0.704), frames(0.7), seed=0, behind=Behind(-0.009)).figures["behind"]
    assert better["dice"] == pytest.approx(-0.005, abs=0.002)
    assert judge(frames(0.8), frames(0.7), seed=0, behind=Behind(-0.009)).figures["behind"]["dice"] == 0.0


def test_a_class_that_no_frame_holds_stays_as_far_behind_as_it_was() -> None:
    verdict = judge(
        frames(0.8, None), frames(0.7, None), seed=0, classes=CLASSES, behind=Behind(0, (0, -0.03))
    )
    assert verdict.figures["behind"]["by_class"] == [0.0, -0.03]


def test_what_a_class_loses_on_too_few_frames_is_not_held_against_better_candidates() -> None:
    few = {"groups": 2, "per_group": 3}
    first = judge(frames(0.82, 0.71, **few), frames(0.7, 0.8, **few), seed=0, classes=CLASSES)
    assert (first.is_promoted, first.is_unproven) == (True, True)
    behind = behind_from_dict(first.figures["behind"])
    assert behind == Behind(0, (0, 0))
    better = judge(frames(0.73, 0.73), frames(0.7, 0.7), seed=0, classes=CLASSES, behind=behind)
    assert (better.is_promoted, better.is_unproven) == (True, False), better.reason


def test_what_is_measured_on_too_few_frames_makes_up_for_nothing_either() -> None:
    few = {"groups": 2, "per_group": 3}
    verdict = judge(
        frames(0.8, 0.8, **few), frames(0.7, 0.7, **few), seed=0, behind=Behind(-0.01, (-0.03, -0.02))
    )
    assert verdict.is_promoted
    assert verdict.figures["behind"] == {"dice": -0.01, "by_class": [-0.03, -0.02]}


def test_of_a_class_on_too_few_frames_nothing_is_carried_although_the_mean_is_proven() -> None:
    champion, candidate = frames(0.7, None), frames(0.696, None)
    for number in range(9):
        group = champion[number].group
        champion[number], candidate[number] = (
            outcome(number, group, (0.7, 0.7)),
            outcome(number, group, (0.7, 0.63)),
        )
    figures = judge(candidate, champion, seed=0, classes=CLASSES).figures
    assert figures["probability"] is not None
    assert figures["by_class"][1]["delta"] == pytest.approx(-0.07)
    assert figures["behind"]["dice"] < 0
    assert figures["behind"]["by_class"][1] == 0.0


@pytest.mark.parametrize("dice", [(0.7, 0.7), (0.7, 1.0), (0.7, 0.0)])
def test_an_equal_candidate_passes_however_far_behind_the_champion_was_noted(
    dice: tuple[float, float],
) -> None:
    """Also what an earlier gate noted, that carried more than the margins."""
    same = [outcome(number, f"clip-{number % 8}", dice) for number in range(24)]
    verdict = judge(same, same, seed=0, classes=CLASSES, behind=Behind(-0.2, (-0.3, -0.09)))
    assert verdict.is_promoted, verdict.reason
    assert verdict.figures["behind"] == {"dice": -0.01, "by_class": [-0.05, -0.05]}


def test_a_better_candidate_that_makes_up_too_little_is_not_called_worse() -> None:
    behind = Behind(0, (0, -0.05))
    verdict = judge(frames(0.8, 0.699), frames(0.7, 0.7), seed=0, classes=CLASSES, behind=behind)
    assert verdict.reason == (
        "kept: the champion lies 0.050 behind the best before it in Artery, which leaves too little margin: "
        "P(change in Dice > 0) = 0.000 < 0.5"
    )
    assert judge(frames(0.8, 0.701), frames(0.7, 0.7), seed=0, classes=CLASSES, behind=behind).is_promoted
