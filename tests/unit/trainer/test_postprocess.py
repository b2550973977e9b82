from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from loop.masks import probs_to_mask
from trainer.postprocess import without_specks

LEAST = 200


def frame(classes: int = 1) -> np.ndarray:  # type: ignore[type-arg]
    probs = np.full((classes, 512, 512), 0.1, np.float32)
    probs[0, 100:140, 100:140] = 0.9
    return probs


def test_specks_go_and_vessels_stay_as_they_were() -> None:
    probs = frame()
    probs[0, 300:305, 300:305] = 0.8
    cleaned = without_specks(probs, LEAST)
    assert (probs_to_mask(cleaned) == probs_to_mask(frame())).all()
    assert (cleaned[0, 100:140, 100:140] == np.float32(0.9)).all()
    assert probs[0, 300, 300] == np.float32(0.8), "the input is left alone"


def test_a_blob_of_just_enough_pixels_stays_and_with_nothing_asked_every_one_does() -> None:
    small = np.zeros((1, 64, 64), np.float32)
    small[0, 10:13, 10:13] = small[0, 20, 20] = 0.9
    assert probs_to_mask(without_specks(small, 9)).sum() == 9
    assert probs_to_mask(without_specks(small, 9.5)).sum() == 0
    assert (without_specks(small, 0) == small).all()


def test_a_speck_touching_at_a_corner_belongs_to_the_vessel() -> None:
    probs = frame()
    probs[0, 140:143, 140:143] = 0.9
    assert probs_to_mask(without_specks(probs, LEAST)).sum() == 1609


def test_each_class_is_cleaned_by_itself_and_an_empty_frame_stays_empty() -> None:
    probs = frame(2)
    probs[1, 300:305, 300:305] = 0.8
    assert (probs_to_mask(without_specks(probs, LEAST)) == probs_to_mask(frame(2))).all()
    assert not probs_to_mask(without_specks(np.zeros((2, 8, 8), np.float32), LEAST)).any()


def test_a_speck_alone_becomes_background_though_another_class_is_likely_there_too() -> None:
    probs = np.full((2, 512, 512), 0.1, np.float32)
    probs[0, 300:310, 300:310] = 0.6
    probs[1, 300:310, 300:310] = 0.8
    assert not probs_to_mask(without_specks(probs, LEAST)).any()
    probs[1, 300:310, 300:310] = 0.6  # of equally likely classes the first wins
    assert not probs_to_mask(without_specks(probs, LEAST)).any()


def test_a_speck_inside_a_vessel_of_another_class_becomes_part_of_it() -> None:
    probs = frame(2)
    vein = probs_to_mask(probs)
    probs[0, 110:120, 110:120] = 0.6
    probs[1, 110:120, 110:120] = 0.8
    assert (probs_to_mask(without_specks(probs, LEAST)) == vein).all()
    probs[0, 110:120, 110:120] = 0.4  # the vein itself is not likely there: its hole stays one
    assert probs_to_mask(without_specks(probs, LEAST)).sum(axis=(1, 2)).tolist() == [1500, 0]


def test_two_specks_side_by_side_do_not_trade_places() -> None:
    probs = np.full((2, 512, 512), 0.6, np.float32)
    probs[:, :, :250] = probs[:, :, 270:] = probs[:, 10:] = 0.1
    probs[0, :10, 250:260] = probs[1, :10, 260:270] = 0.8
    assert not probs_to_mask(without_specks(probs, LEAST)).any()


def blobs(plane: np.ndarray) -> list[np.ndarray]:  # type: ignore[type-arg]
    """By flooding, pixel for pixel: the blobs of bool (H, W), corners joining them."""
    left, found = set(zip(*map(np.ndarray.tolist, np.nonzero(plane)), strict=True)), []
    while left:
        blob, edge = np.zeros_like(plane), [left.pop()]
        while edge:
            row, column = edge.pop()
            blob[row, column] = True
            near = {(row + down, column + across) for down in (-1, 0, 1) for across in (-1, 0, 1)} & left
            left -= near
            edge += near
        found.append(blob)
    return found


@settings(max_examples=100, deadline=None)
@given(
    classes=st.integers(1, 4),
    seed=st.integers(0, 2**32 - 1),
    grain=st.integers(1, 6),
    least=st.integers(0, 60),
)
def test_no_speck_is_left_and_nothing_outside_the_specks_changes(
    classes: int, seed: int, grain: int, least: int
) -> None:
    generator = np.random.default_rng(seed)
    coarse = generator.choice([0.1, 0.3, 0.6, 0.7, 0.9], (classes, -(-30 // grain), -(-30 // grain)))
    probs = coarse.repeat(grain, 1).repeat(grain, 2)[:, :30, :30].astype(np.float32)
    before, cleaned = probs_to_mask(probs), without_specks(probs, least)
    after = probs_to_mask(cleaned)
    assert all(blob.sum() >= least for plane in after for blob in blobs(plane))
    small = [blob for plane in before for blob in blobs(plane) if blob.sum() < least]
    in_specks = np.any([np.zeros((30, 30), bool), *small], axis=0)
    assert (after == before)[:, ~in_specks].all()
    assert (cleaned == probs)[:, ~in_specks].all()
    assert (after & (probs <= 0.5)).sum() == 0
    assert (without_specks(cleaned, least) == cleaned).all()
