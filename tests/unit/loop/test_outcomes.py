"""Reading what a training process found out on the held-out frames."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from loop.errors import BadInput
from loop.outcomes import outcomes_from_evaluation, read_scores, scores
from trainer.metrics import Counts, count, score

COUNTS = {"tp": [1], "fp": [2], "fn": [3], "tn": [4]}
FIRST = {"frame_id": 7, "group": "g", "candidate": COUNTS, "champion": None}


def test_an_evaluation_gives_the_outcomes_of_both_models() -> None:
    candidate, champion = outcomes_from_evaluation({"frames": [FIRST]})
    assert (candidate[0].frame_id, candidate[0].group, candidate[0].fn.tolist()) == (7, "g", [3])
    assert champion is None
    _, champion = outcomes_from_evaluation({"frames": [{**FIRST, "champion": {**COUNTS, "tp": [9]}}]})
    assert champion is not None
    assert champion[0].tp.tolist() == [9]


def test_a_champion_that_judged_only_some_frames_is_refused() -> None:
    with pytest.raises(BadInput, match="champion on 1 of 2 frames"):
        outcomes_from_evaluation({"frames": [FIRST, {**FIRST, "frame_id": 8, "champion": COUNTS}]})


@pytest.mark.parametrize(
    "evaluation",
    [
        {},
        {"frames": [{**FIRST, "candidate": {"tp": [1]}}]},
        {"frames": [{**FIRST, "candidate": None}]},
        {"frames": [{**FIRST, "candidate": {**COUNTS, "tp": [float("nan")]}}]},
        {"frames": [{name: value for name, value in FIRST.items() if name != "champion"}]},
    ],
)
def test_an_evaluation_that_is_not_whole_is_refused(evaluation: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match="not whole"):
        outcomes_from_evaluation(evaluation)


def counted(classes: int) -> list[Counts]:
    """Three frames with blots of every class, drawn one pixel beside where they are."""
    maps = [np.random.default_rng(seed).integers(classes + 1, size=(9, 12)) for seed in range(3)]
    truths = [np.stack([each == number for number in range(1, classes + 1)]) for each in maps]
    return [count(np.roll(truth, 1, axis=2), truth) for truth in truths]


def evaluation_of(frames: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "frames": [
            {"frame_id": n, "group": "g", "candidate": each, "champion": None}
            for n, each in enumerate(frames)
        ]
    }


@pytest.mark.parametrize("classes", [1, 2, 3])
def test_the_gate_records_the_acc_and_miou_that_the_trainer_reports(classes: int) -> None:
    frames = counted(classes)
    candidate, _ = outcomes_from_evaluation(evaluation_of([each.to_dict() for each in frames]))
    found, theirs = scores(candidate), score(frames)
    assert (found["acc"], found["miou"]) == (pytest.approx(theirs.acc), pytest.approx(theirs.miou))
    assert len(found["acc_by_class"]) == classes
    assert read_scores(found) == found
    is_mean = found["miou"] == pytest.approx(np.mean(found["miou_by_class"]))
    assert is_mean == (classes == 1), "of several classes it is no mean of one against all else"


@pytest.mark.parametrize("classes", [1, 2])
def test_what_was_recorded_before_the_background_was_counted_gives_nothing_wrong(classes: int) -> None:
    frames = [each.to_dict() for each in counted(classes)]
    today = scores(outcomes_from_evaluation(evaluation_of(frames))[0])
    older = [{name: each[name] for name in ("tp", "fp", "fn", "tn")} for each in frames]
    candidate, _ = outcomes_from_evaluation(evaluation_of(older))
    figures = ("acc", "miou")
    expected = [today[name] if classes == 1 else None for name in figures]
    assert [scores(candidate)[name] for name in figures] == expected
    assert scores(candidate)["dice"] == today["dice"]
    stored = {name: today[name] for name in ("dice", "dice_by_class", *figures)}  # as verdicts were then
    assert [read_scores(stored)[name] for name in figures] == expected
    assert read_scores(stored)["dice"] == today["dice"]
