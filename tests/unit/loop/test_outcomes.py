"""Reading what a training process found out on the held-out frames."""

from __future__ import annotations

from typing import Any

import pytest

from loop.errors import BadInput
from loop.outcomes import outcomes_from_evaluation

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
