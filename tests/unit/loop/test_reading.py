"""What a reader did, by comparing masks; and what the simulated reader does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from loop.masks import Mask, dice
from loop.reader import ReaderMove, decide
from loop.reading import classify, version_in_service
from loop.records import Decision

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
EMPTY = np.zeros((1, 4, 4), bool)
SMALL = EMPTY.copy()
SMALL[0, 1, 1] = True
LARGE = EMPTY.copy()
LARGE[0, 1:3, 1:3] = True


@pytest.mark.parametrize(
    ("mask", "proposal", "decision", "similarity"),
    [
        (LARGE, LARGE, Decision.ACCEPTED, 1.0),
        (EMPTY, EMPTY, Decision.ACCEPTED, None),
        (SMALL, LARGE, Decision.FIXED, 0.4),
        (SMALL, EMPTY, Decision.FIXED, 0.0),
        (EMPTY, LARGE, Decision.NO_VEIN, 0.0),
        (LARGE, None, Decision.FROM_SCRATCH, None),
        (EMPTY, None, Decision.NO_VEIN, None),
    ],
)
def test_the_decision_follows_from_the_masks_alone(
    mask: Mask, proposal: Mask | None, decision: Decision, similarity: float | None
) -> None:
    reading = classify(mask, proposal)
    assert (reading.decision, reading.dice_to_proposal) == (decision, similarity)


def test_two_classes_exchanged_are_a_fix_although_the_outline_is_the_same() -> None:
    swapped = np.concatenate([EMPTY, LARGE])
    reading = classify(swapped, np.concatenate([LARGE, EMPTY]))
    assert (reading.decision, reading.dice_to_proposal) == (Decision.FIXED, 1.0)


def test_the_version_in_service_is_the_last_one_that_had_begun() -> None:
    history = [(1, NOON), (2, NOON + timedelta(hours=1)), (1, NOON + timedelta(hours=2))]
    times = [NOON - timedelta(seconds=1), NOON, NOON + timedelta(minutes=90), NOON + timedelta(days=1)]
    assert [version_in_service(history, at) for at in times] == [None, 1, 2, 1]


masks = npst.arrays(np.bool_, (1, 3, 3))


@given(masks, masks)
def test_the_simulated_reader_accepts_what_is_close_enough_and_submits_the_truth_else(
    proposal: Mask, truth: Mask
) -> None:
    action = decide(proposal, truth)
    similarity = dice(proposal, truth)
    is_close = similarity is None or similarity >= 0.9
    assert np.array_equal(action.mask, proposal if is_close else truth)
    if not is_close:
        assert action.decision is (ReaderMove.FIX if truth.any() else ReaderMove.NO_VEIN)


@given(masks, st.floats(0, 1))
def test_with_nothing_drawn_the_simulated_reader_draws_the_truth(truth: Mask, threshold: float) -> None:
    action = decide(None, truth, threshold)
    assert np.array_equal(action.mask, truth)
    assert action.decision is (ReaderMove.DRAW if truth.any() else ReaderMove.NO_VEIN)
