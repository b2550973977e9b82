from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from loop.errors import BadInput, BadRequest
from trainer.uncertainty import MEASURES, Evidence, boundary_entropy, entropy, flip_disagreement, measure

IMAGE = np.zeros((64, 64), np.uint8)


def vessel(radius: float, softness: float, size: int = 128) -> NDArray[np.float32]:
    """Probabilities (1, size, size) of a round vessel whose border is so many px soft."""
    y, x = np.mgrid[:size, :size] - size / 2
    probs = 1 / (1 + np.exp((np.hypot(y, x) - radius) / softness))
    return np.asarray(probs[np.newaxis], np.float32)


def test_entropy_is_one_bit_when_undecided_and_none_when_sure() -> None:
    bits = entropy(np.array([0.0, 0.5, 1.0], np.float32))
    assert bits == pytest.approx([0, 1, 0], abs=1e-5)


def test_a_soft_border_is_more_uncertain_than_a_sharp_one() -> None:
    assert boundary_entropy(Evidence(IMAGE, vessel(20, 4))) > 1.5 * boundary_entropy(
        Evidence(IMAGE, vessel(20, 0.5))
    )


def test_a_large_vessel_is_not_favoured_over_a_small_one() -> None:
    small, large = (boundary_entropy(Evidence(IMAGE, vessel(radius, 1.0))) for radius in (8, 40))
    assert large == pytest.approx(small, rel=0.15)


def test_a_suspected_vessel_counts_although_it_is_not_predicted() -> None:
    suspected = np.zeros((1, 128, 128), np.float32)
    suspected[0, 40:60, 40:60] = 0.4
    assert boundary_entropy(Evidence(IMAGE, suspected)) > 0.9


@pytest.mark.parametrize("value", [0.0, 1.0, 0.1, 0.5])
def test_constant_probabilities_give_the_entropy_of_their_value(value: float) -> None:
    probs = np.full((2, 32, 32), value, np.float32)
    expected = float(entropy(probs).max())
    assert boundary_entropy(Evidence(IMAGE, probs)) == pytest.approx(expected)


def test_an_empty_prediction_is_as_uncertain_as_its_likeliest_pixel() -> None:
    probs = np.full((1, 32, 32), 0.01, np.float32)
    probs[0, 5, 5] = 0.15
    assert boundary_entropy(Evidence(IMAGE, probs)) == pytest.approx(float(entropy(probs[0, 5, 5:6])[0]))


def test_mirrored_answers_that_differ_disagree() -> None:
    one, other = vessel(20, 1), np.roll(vessel(20, 1), 64, axis=2)
    assert flip_disagreement(Evidence(IMAGE, one, one)) == 0.0
    assert flip_disagreement(Evidence(IMAGE, one, other)) == 1.0
    assert flip_disagreement(Evidence(IMAGE, 0 * one, 0 * one)) == 0.0
    with pytest.raises(BadRequest, match="mirrored"):
        flip_disagreement(Evidence(IMAGE, one))


def test_random_follows_the_frame_and_not_the_model() -> None:
    other = IMAGE + np.uint8(1)
    scores = [
        measure(Evidence(image, vessel(r, 1)), ["random"])["random"]
        for image in (IMAGE, other)
        for r in (9, 20)
    ]
    assert scores[0] == scores[1] != scores[2] == scores[3]


def test_names_are_checked_and_a_value_that_is_no_number_is_an_error() -> None:
    with pytest.raises(BadRequest, match="margin"):
        measure(Evidence(IMAGE, vessel(20, 1)), ["margin"])
    with pytest.raises(BadInput):
        measure(Evidence(IMAGE, np.full((1, 8, 8), np.nan, np.float32)), ["boundary-entropy"])


@settings(max_examples=50, deadline=None)
@given(arrays.arrays(np.float32, (2, 9, 12), elements=st.floats(0, 1, width=32)))
def test_every_measure_is_between_zero_and_one_for_any_probabilities(probs: NDArray[np.float32]) -> None:
    scores = measure(Evidence(IMAGE, probs, probs[..., ::-1]), list(MEASURES))
    assert all(0 <= value <= 1 for value in scores.values())
