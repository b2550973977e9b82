"""Every measure against scikit-learn or MONAI, by hand where a mask is empty."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from loop.errors import BadMask, BadRequest
from loop.masks import Mask, exclusive
from tests.discs import draw_disc
from trainer.metrics import MEASURES, CalibrationBoard, Scoreboard, bin_pixels, bins_from_dict, count
from trainer.metrics.calibration import BINS
from trainer.metrics.counts import OUTCOMES
from trainer.metrics.surface import SurfaceBoard, measure_surface, surface_from_dict

EMPTY = np.zeros((1, 6, 8), np.bool_)
SQUARE = EMPTY.copy()
SQUARE[0, 1:4, 1:4] = True
FULL = ~EMPTY

masks = arrays.arrays(np.bool_, (1, 9, 11))
CLASSES = 3
LabelMap = NDArray[np.uint8]
label_maps = arrays.arrays(np.uint8, (7, 8), elements=st.integers(0, CLASSES))


def discs(seed: int, classes: int = 1) -> Mask:
    return np.concatenate([draw_disc(100 * seed + number, 96, 120)[1] for number in range(classes)])


def board_of(*pairs: tuple[Mask, Mask]) -> Scoreboard:
    board = Scoreboard()
    for number, (prediction, truth) in enumerate(pairs):
        board.update(count(prediction, truth), f"clip{number % 2}")
    return board


ORACLES = {
    "acc": "accuracy_score",
    "dice": "f1_score",
    "f1": "f1_score",
    "iou": "jaccard_score",
    "sensitivity": "recall_score",
    "precision": "precision_score",
}


@pytest.mark.parametrize("name", ORACLES)
@settings(max_examples=15, deadline=None)
@given(pairs=st.lists(st.tuples(masks, masks), min_size=1, max_size=3))
def test_a_pooled_measure_is_what_scikit_learn_gives_for_all_pixels(
    name: str, pairs: list[tuple[Mask, Mask]]
) -> None:
    from sklearn import metrics

    oracle: Callable[..., float] = getattr(metrics, ORACLES[name])
    drawn, true = (np.concatenate([pair[place].ravel() for pair in pairs]) for place in (0, 1))
    ours = board_of(*pairs).pooled(name).value
    if ours is None:
        return  # where it is undefined is written below, case by case
    assert ours == pytest.approx(oracle(true, drawn))


def test_specificity_is_the_sensitivity_of_the_background() -> None:
    from sklearn.metrics import recall_score

    drawn, true = discs(1), discs(2)
    ours = board_of((drawn, true)).pooled("specificity").value
    assert ours == pytest.approx(recall_score(true.ravel(), drawn.ravel(), pos_label=False))


def test_miou_is_the_mean_of_foreground_and_background_over_all_pixels() -> None:
    from sklearn.metrics import jaccard_score

    pairs = [(discs(seed), discs(seed + 10)) for seed in range(3)]
    drawn, true = (np.concatenate([pair[place].ravel() for pair in pairs]) for place in (0, 1))
    assert board_of(*pairs).pooled("miou").value == pytest.approx(jaccard_score(true, drawn, average="macro"))


@settings(max_examples=30, deadline=None)
@given(pairs=st.lists(st.tuples(label_maps, label_maps), min_size=1, max_size=3))
def test_of_several_classes_acc_and_miou_are_those_of_the_map_of_classes(
    pairs: list[tuple[LabelMap, LabelMap]],
) -> None:
    from sklearn.metrics import accuracy_score, jaccard_score

    drawn, true = (np.concatenate([pair[place].ravel() for pair in pairs]) for place in (0, 1))
    board = board_of(*[(planes(one), planes(other)) for one, other in pairs])
    assert board.pooled("acc").value == pytest.approx(accuracy_score(true, drawn))
    oracle = {"labels": range(CLASSES + 1), "average": "macro", "zero_division": 1}
    assert board.pooled("miou").value == pytest.approx(jaccard_score(true, drawn, **oracle))
    each = [jaccard_score(other.ravel(), one.ravel(), **oracle) for one, other in pairs]
    assert board.per_frame("miou").mean == pytest.approx(np.mean(each))


def planes(label_map: LabelMap) -> Mask:
    return np.stack([label_map == number for number in range(1, CLASSES + 1)])


def test_a_network_that_draws_nothing_is_right_on_the_background_alone() -> None:
    """Two classes of three pixels in a hundred each: one against all else would give .970 and .485."""
    truth = np.zeros((2, 10, 10), np.bool_)
    truth[0, 0, :3] = truth[1, 9, :3] = True
    board = board_of((np.zeros_like(truth), truth))
    assert board.pooled("acc").value == 0.94
    assert board.pooled("miou").value == pytest.approx((0.94 + 0 + 0) / 3)
    assert board.pooled("acc").by_class == (0.97, 0.97)
    assert board.pooled("miou").by_class == (0.97 / 2, 0.97 / 2)


def test_a_pixel_of_two_classes_counts_as_the_first() -> None:
    both, first = np.concatenate([SQUARE, SQUARE]), np.concatenate([SQUARE, EMPTY])
    assert count(both, first).to_dict() == count(first, both).to_dict() == count(first, first).to_dict()
    assert board_of((both, np.concatenate([EMPTY, SQUARE]))).per_frame("dice").mean == 0


@settings(max_examples=40, deadline=None)
@given(pairs=st.lists(st.tuples(masks, masks), min_size=1, max_size=3))
def test_of_one_class_acc_and_miou_are_the_published_formulas_to_the_last_digit(
    pairs: list[tuple[Mask, Mask]],
) -> None:
    tp, fp, fn, tn = (sum(int(getattr(count(*pair), name)[0]) for pair in pairs) for name in OUTCOMES)
    ious = [right / (right + fp + fn) if right + fp + fn else 1.0 for right in (tp, tn)]
    board = board_of(*pairs)
    assert board.pooled("acc").value == (tp + tn) / (tp + fp + fn + tn)
    assert board.pooled("miou").value == sum(ious) / 2
    assert board.pooled("miou").by_class == (board.pooled("miou").value,)


def test_dice_per_frame_and_class_is_what_monai_gives() -> None:
    import torch
    from monai.metrics.meandice import compute_dice

    pairs = [(exclusive(discs(seed, 3))[0], exclusive(discs(seed + 20, 3))[0]) for seed in range(4)]
    drawn, true = (torch.from_numpy(np.stack([pair[place] for pair in pairs])) for place in (0, 1))
    oracle = compute_dice(drawn.float(), true.float()).numpy()
    summary = board_of(*pairs).per_frame("dice")
    assert summary.mean == pytest.approx(float(oracle.mean()), abs=1e-6)
    assert summary.median == pytest.approx(float(np.median(oracle.mean(axis=1))), abs=1e-6)
    assert summary.by_class == pytest.approx(oracle.mean(axis=0).tolist(), abs=1e-6)


@pytest.mark.parametrize(
    ("prediction", "truth", "undefined"),
    [
        (EMPTY, EMPTY, {"dice", "f1", "iou", "sensitivity", "precision"}),
        (EMPTY, SQUARE, {"precision"}),
        (SQUARE, EMPTY, {"sensitivity"}),
        (SQUARE, FULL, {"specificity"}),
        (SQUARE, SQUARE, set()),
    ],
    ids=["both empty", "missed", "false alarm", "full truth", "perfect"],
)
def test_where_each_measure_is_undefined(prediction: Mask, truth: Mask, undefined: set[str]) -> None:
    board = board_of((prediction, truth))
    assert {name for name in MEASURES if board.per_frame(name).mean is None} == undefined
    assert {name for name in MEASURES if board.pooled(name).value is None} == undefined
    assert all(board.per_frame(name).undefined == (name in undefined) for name in MEASURES)


def test_a_false_alarm_and_a_miss_are_zero_and_not_undefined() -> None:
    for pair in ((SQUARE, EMPTY), (EMPTY, SQUARE)):
        board = board_of(pair)
        assert [board.per_frame(name).mean for name in ("dice", "iou", "f1")] == [0, 0, 0]


def test_a_class_that_no_frame_holds_leaves_the_others_alone() -> None:
    two = np.concatenate([SQUARE, EMPTY])
    summary = board_of(
        (two, two), (np.concatenate([EMPTY, EMPTY]), np.concatenate([EMPTY, EMPTY]))
    ).per_frame("dice")
    assert (summary.mean, summary.defined, summary.undefined) == (1.0, 1, 1)
    assert summary.by_class == (1.0, None)


def test_a_clip_pools_its_own_frames() -> None:
    board = board_of((SQUARE, SQUARE), (EMPTY, SQUARE), (EMPTY, SQUARE))
    assert board.per_clip("sensitivity").keys() == {"clip0", "clip1"}
    assert [each.value for each in board.per_clip("sensitivity").values()] == [0.5, 0.0]


def test_an_unknown_measure_is_refused_with_the_known() -> None:
    with pytest.raises(BadRequest, match="specificity"):
        Scoreboard().pooled("kappa")


def monai_distances(drawn: Mask, true: Mask) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    import torch
    from monai.metrics.hausdorff_distance import compute_hausdorff_distance
    from monai.metrics.surface_distance import compute_average_surface_distance

    a, b = (torch.from_numpy(mask[np.newaxis]) for mask in (drawn, true))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        hd95 = compute_hausdorff_distance(a, b, include_background=True, percentile=95)
        assd = compute_average_surface_distance(a, b, include_background=True, symmetric=True)
    return hd95[0].double().numpy(), assd[0].double().numpy()


@pytest.mark.parametrize("seed", range(6))
def test_distances_are_what_monai_gives(seed: int) -> None:
    rng = np.random.default_rng(seed)
    drawn, true = discs(seed, 2), discs(seed + 50, 2)
    drawn ^= rng.random(drawn.shape) < 0.01  # specks, holes, ragged outlines, pixels at the edge
    ours = measure_surface(drawn, true)
    hd95, assd = monai_distances(drawn, true)
    assert ours.hd95 == pytest.approx(hd95, abs=1e-4)
    assert ours.assd == pytest.approx(assd, abs=1e-4)


@settings(max_examples=40, deadline=None)
@given(masks, masks)
def test_distances_agree_with_every_pair_of_outline_pixels(drawn: Mask, true: Mask) -> None:
    ours = measure_surface(drawn, true)
    if not (drawn.any() and true.any()):
        assert np.isnan(ours.hd95[0])
        return
    a, b = (np.argwhere(outline_by_hand(mask[0])) for mask in (drawn, true))
    apart = np.sqrt(((a[:, None] - b[None]) ** 2).sum(axis=2))
    there, back = apart.min(axis=1), apart.min(axis=0)
    assert ours.hd95[0] == pytest.approx(max(np.percentile(there, 95), np.percentile(back, 95)))
    assert ours.assd[0] == pytest.approx(np.concatenate([there, back]).mean())


def outline_by_hand(plane: NDArray[np.bool_]) -> NDArray[np.bool_]:
    framed = np.pad(plane, 1)
    inner = framed[:-2, 1:-1] & framed[2:, 1:-1] & framed[1:-1, :-2] & framed[1:-1, 2:]
    return plane & ~inner


def test_a_shift_by_three_pixels_is_three_pixels_away() -> None:
    column = np.zeros((1, 20, 20), np.bool_)
    column[0, 4:9, 5] = True
    moved = np.roll(column, 3, axis=2)
    surface = measure_surface(moved, column)
    assert (surface.hd95[0], surface.assd[0]) == (3.0, 3.0)


def test_one_sided_pairs_are_counted_and_have_the_diagonal_in_the_worst_reading() -> None:
    board = SurfaceBoard()
    for pair in ((SQUARE, SQUARE), (EMPTY, EMPTY), (EMPTY, SQUARE), (SQUARE, EMPTY), (SQUARE, EMPTY)):
        board.update(surface_from_dict(measure_surface(*pair).to_dict()))
    scores = board.compute()
    assert (scores.both_empty, scores.missed, scores.false_alarms) == (1, 1, 2)
    assert (scores.hd95.mean, scores.hd95.defined, scores.hd95.undefined) == (0.0, 1, 4)
    assert scores.hd95_worst.mean == pytest.approx(3 * math.hypot(6, 8) / 4)
    assert scores.assd_worst.defined == 4


def test_no_frame_has_no_distance_and_no_calibration() -> None:
    assert SurfaceBoard().compute().hd95.mean is None
    assert SurfaceBoard().compute().missed == 0
    assert CalibrationBoard().compute().ece is None


def test_the_reliability_curve_is_that_of_scikit_learn() -> None:
    from sklearn.calibration import calibration_curve

    rng = np.random.default_rng(3)
    probs = rng.random((1, 40, 50)).astype(np.float32) ** 2
    truth = rng.random((1, 40, 50)) < probs * 0.8
    board = CalibrationBoard()
    for half in (np.s_[:, :25], np.s_[:, 25:]):  # two frames stand for one twice as high
        board.update(bins_from_dict(bin_pixels(probs[half], truth[half]).to_dict()))
    curve = board.compute()
    share, mean = calibration_curve(truth.ravel(), probs.ravel(), n_bins=BINS)
    assert curve.share[0] == pytest.approx(share)
    assert curve.probability[0] == pytest.approx(mean, abs=1e-6)
    weights = np.asarray(curve.pixels[0]) / truth.size
    assert curve.ece == pytest.approx(float((weights * np.abs(share - mean)).sum()), abs=1e-6)


def test_sure_and_right_is_calibrated_and_sure_and_wrong_is_not() -> None:
    for truth, ece in ((SQUARE, 0.0), (~SQUARE, 1.0)):
        board = CalibrationBoard()
        board.update(bin_pixels(SQUARE.astype(np.float32), truth))
        curve = board.compute()
        assert curve.ece == ece
        assert curve.probability[0][1:-1] == (None,) * (BINS - 2), "empty bins have no mean"
        assert sum(curve.pixels[0]) == SQUARE.size


def test_arrays_that_do_not_fit_are_refused() -> None:
    with pytest.raises(BadMask):
        measure_surface(SQUARE, SQUARE[:, :3])
    with pytest.raises(BadMask):
        bin_pixels(SQUARE.astype(np.float32) * 2, SQUARE)
    with pytest.raises(BadMask):
        bin_pixels(SQUARE.astype(np.float32)[:, :3], SQUARE)
