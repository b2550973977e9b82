from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from loop.errors import BadMask
from loop.masks import Mask
from trainer.metrics import Scoreboard, count, counts_from_dict, frame_dice, score

EMPTY = np.zeros((1, 4, 4), np.bool_)
SQUARE = EMPTY.copy()
SQUARE[0, :2, :2] = True  # 4 pixels
STRIP = EMPTY.copy()
STRIP[0, 0, :] = True  # 4 pixels, 2 of them in the square

masks = arrays.arrays(np.bool_, st.just((2, 5, 6)))


def test_a_half_overlap_by_hand() -> None:
    counts = count(STRIP, SQUARE)
    assert counts.to_dict() == {"tp": [2], "fp": [2], "fn": [2], "tn": [10], "background": 10}
    assert frame_dice(counts) == 0.5
    scores = score([counts])
    assert scores.acc == 12 / 16
    assert scores.miou == pytest.approx((2 / 6 + 10 / 14) / 2)


def test_both_readings_of_empty_frames() -> None:
    """An empty frame left empty is undefined or one; one with a false positive is zero in both readings."""
    scores = score([count(SQUARE, SQUARE), count(EMPTY, EMPTY), count(STRIP, EMPTY)])
    assert (scores.frames, scores.empty_frames) == (3, 1)
    assert scores.dice_mean == 0.5
    assert scores.dice_mean_empty_as_one == pytest.approx(2 / 3)
    assert (scores.dice_median, scores.dice_median_empty_as_one) == (0.5, 1.0)


def test_pooled_scores_are_not_the_mean_of_the_frames() -> None:
    full = np.ones((1, 4, 4), np.bool_)
    scores = score([count(full, full), count(EMPTY, SQUARE)])
    assert scores.acc == 28 / 32
    assert scores.miou == pytest.approx((16 / 20 + 12 / 16) / 2)
    assert scores.dice_mean == 0.5


def test_dice_is_the_mean_over_the_classes_that_are_there() -> None:
    two = np.concatenate([SQUARE, EMPTY])
    assert frame_dice(count(two, two)) == 1.0
    assert frame_dice(count(np.concatenate([SQUARE, STRIP]), two)) == 0.5
    assert frame_dice(count(np.concatenate([EMPTY, EMPTY]), np.concatenate([EMPTY, EMPTY]))) is None


def test_nothing_gives_nothing() -> None:
    scores = Scoreboard().compute()
    assert scores.frames == 0
    assert (scores.dice_mean, scores.acc, scores.miou) == (None, None, None)


def test_a_class_that_nobody_drew_does_not_lower_the_iou() -> None:
    assert score([count(EMPTY, EMPTY)]).miou == 1.0


def test_counts_survive_their_dict() -> None:
    counts = count(STRIP, SQUARE)
    assert counts_from_dict(counts.to_dict()).to_dict() == counts.to_dict()


def test_counts_from_before_the_background_was_counted_give_no_acc_of_several_classes() -> None:
    two = np.concatenate([SQUARE, np.roll(SQUARE, 2, axis=2)])
    for mask, acc in ((two, None), (SQUARE, 1.0)):
        older = counts_from_dict({k: v for k, v in count(mask, mask).to_dict().items() if k != "background"})
        scores = score([older])
        assert (scores.acc, scores.miou) == (acc, acc), "of one class it is what the class leaves"
        assert scores.dice_mean == 1.0
        assert score([older, count(mask, mask)]).miou == acc


def test_masks_that_do_not_fit_are_refused() -> None:
    with pytest.raises(BadMask):
        count(SQUARE, SQUARE[:, :3])
    with pytest.raises(BadMask):
        count(SQUARE.astype(np.uint8), SQUARE)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(masks, masks), min_size=1, max_size=4))
def test_scores_agree_with_an_oracle_that_goes_pixel_by_pixel(pairs: list[tuple[Mask, Mask]]) -> None:
    scores = score([count(prediction, truth) for prediction, truth in pairs])
    assert scores.acc == pytest.approx(_oracle_acc(pairs))
    assert scores.miou == pytest.approx(_oracle_miou(pairs))
    expected = [value for value in (_oracle_dice(*pair) for pair in pairs) if value is not None]
    assert scores.dice_mean == (pytest.approx(sum(expected) / len(expected)) if expected else None)


def _oracle_acc(pairs: list[tuple[Mask, Mask]]) -> float:
    right = [p == t for a, b in pairs for p, t in zip(_classes(a), _classes(b), strict=True)]
    return sum(right) / len(right)


def _classes(mask: Mask) -> list[int]:
    """The class of every pixel: 0 the background, of several classes the first."""
    first = [next((n + 1 for n, is_there in enumerate(pixel) if is_there), 0) for pixel in _pixels(mask)]
    assert len(first) == mask[0].size
    return first


def _pixels(mask: Mask) -> Iterator[tuple[bool, ...]]:
    return zip(*(plane.flat for plane in mask), strict=True)


def _oracle_miou(pairs: list[tuple[Mask, Mask]]) -> float:
    ious = []
    for wanted in range(3):
        both, either = 0, 0
        for prediction, truth in pairs:
            for p, t in zip(_classes(prediction), _classes(truth), strict=True):
                both += p == wanted and t == wanted
                either += p == wanted or t == wanted
        ious.append(both / either if either else 1.0)
    return sum(ious) / len(ious)


def _oracle_dice(prediction: Mask, truth: Mask) -> float | None:
    values = []
    drawn, true = _classes(prediction), _classes(truth)
    for number in (1, 2):
        a, b = ({place for place, each in enumerate(side) if each == number} for side in (drawn, true))
        if a or b:
            values.append(2 * len(a & b) / (len(a) + len(b)))
    return sum(values) / len(values) if values else None
