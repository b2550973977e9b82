from __future__ import annotations

import numpy as np

from loop.masks import probs_to_mask
from trainer.postprocess import without_specks


def frame(classes: int = 1) -> np.ndarray:  # type: ignore[type-arg]
    probs = np.full((classes, 512, 512), 0.1, np.float32)
    probs[0, 100:140, 100:140] = 0.9
    return probs


def test_specks_go_and_vessels_stay_as_they_were() -> None:
    probs = frame()
    probs[0, 300:305, 300:305] = 0.8
    cleaned = without_specks(probs)
    assert (probs_to_mask(cleaned) == probs_to_mask(frame())).all()
    assert (cleaned[0, 100:140, 100:140] == np.float32(0.9)).all()
    assert probs[0, 300, 300] == np.float32(0.8), "the input is left alone"


def test_what_is_a_speck_depends_on_the_size_of_the_frame() -> None:
    small = np.zeros((1, 64, 64), np.float32)
    small[0, 10:13, 10:13] = 0.9
    assert probs_to_mask(without_specks(small)).sum() == 9


def test_a_speck_touching_at_a_corner_belongs_to_the_vessel() -> None:
    probs = frame()
    probs[0, 140:143, 140:143] = 0.9
    assert probs_to_mask(without_specks(probs)).sum() == 1609


def test_each_class_is_cleaned_by_itself_and_an_empty_frame_stays_empty() -> None:
    probs = frame(2)
    probs[1, 300:305, 300:305] = 0.8
    assert (probs_to_mask(without_specks(probs)) == probs_to_mask(frame(2))).all()
    assert not probs_to_mask(without_specks(np.zeros((2, 8, 8), np.float32))).any()
