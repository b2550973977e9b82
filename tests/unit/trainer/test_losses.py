from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from monai.losses.boundary_loss import BoundaryLoss
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from torch import Tensor

from loop.errors import BadRequest
from trainer.contours import signed_distances
from trainer.losses import EDGE_FIRST, EDGE_LAST, LOSSES, build_loss, targets
from trainer.recipes import LOSSES as NAMES

SIDE = 32
Array = NDArray[np.float64]


def two_classes() -> Tensor:
    """Truth (2, 2, 32, 32): a disc and a bar in the first frame, a bar of one class in the second."""
    y, x = np.mgrid[:SIDE, :SIDE]
    truth = np.zeros((2, 2, SIDE, SIDE), np.float32)
    truth[0, 0] = (y - 12) ** 2 + (x - 12) ** 2 < 36
    truth[0, 1, 24:27, 4:28] = 1
    truth[1, 1, 8:11, 4:28] = 1
    return torch.from_numpy(truth)


def some_logits(like: Tensor) -> Tensor:
    return torch.randn(like.shape, generator=torch.Generator().manual_seed(3)) * 2


def arrays(*tensors: Tensor) -> list[Array]:
    return [tensor.numpy().astype(np.float64) for tensor in tensors]


def value(name: str, logits: Tensor, truth: Tensor, share: float = 0.0) -> float:
    return build_loss(name, share)(logits, truth).item()


def gradient(name: str, logits: Tensor, truth: Tensor) -> Tensor:
    asked = logits.clone().requires_grad_()
    torch.autograd.backward(build_loss(name, 0.5)(asked, truth))
    assert asked.grad is not None
    return asked.grad


def bce(probs: Array, truth: Array) -> float:
    return float(-np.mean(truth * np.log(probs) + (1 - truth) * np.log(1 - probs)))


def dice(probs: Array, truth: Array, added: int = 2) -> float:
    """One minus Dice with so much added above and below, per class over the batch, then the mean."""
    both, sizes = (each.sum((0, 2, 3)) for each in (probs * truth, probs + truth))
    return float(np.mean(1 - (2 * both + added) / (sizes + added)))


def test_indices_become_one_channel_a_class() -> None:
    index_maps = torch.tensor([[[0, 1], [2, 2]]], dtype=torch.uint8)
    assert targets(index_maps, 2).tolist() == [[[[0, 1], [0, 0]], [[0, 0], [1, 1]]]]


def test_bce_of_an_undecided_network_is_one_bit() -> None:
    loss = build_loss("bce")(torch.zeros(2, 1, 8, 8), torch.ones(2, 1, 8, 8))
    assert loss.item() == pytest.approx(math.log(2))


def test_dice_and_bce_are_those_of_their_formulas() -> None:
    truth = two_classes()
    logits = some_logits(truth)
    probs, true = arrays(logits.sigmoid(), truth)
    assert value("dice", logits, truth) == pytest.approx(dice(probs, true, added=1), abs=1e-5)
    assert value("bce", logits, truth) == pytest.approx(bce(probs, true), abs=1e-5)
    assert value("bce+dice", logits, truth) == pytest.approx(bce(probs, true) + dice(probs, true), abs=1e-5)


def test_focal_tversky_is_that_of_the_paper() -> None:
    truth = two_classes()
    logits = some_logits(truth)
    probs, true = arrays(logits.sigmoid(), truth)
    found, missed, false = (a.sum((0, 2, 3)) for a in (probs * true, (1 - probs) * true, probs * (1 - true)))
    index = (found + 1) / (found + 0.7 * missed + 0.3 * false + 1)
    assert value("focal-tversky", logits, truth) == pytest.approx(np.mean((1 - index) ** 0.75), abs=1e-5)


def test_a_missed_vessel_costs_more_focal_tversky_than_a_false_one() -> None:
    truth = two_classes()[:, :1]
    moved = truth.roll(1, 2)
    larger, smaller = (torch.where(mask > 0, 12.0, -12.0) for mask in (truth + moved, truth * moved))
    assert value("focal-tversky", smaller, truth) > value("focal-tversky", larger, truth) > 0.01


def test_distances_to_a_contour_are_those_measured_pixel_by_pixel() -> None:
    truth = two_classes()
    found = signed_distances(truth)
    points, plane = np.indices((SIDE, SIDE)).reshape(2, -1).T, truth[0, 0].numpy().ravel() > 0
    for inside, sign in ((True, -1), (False, 1)):
        here, there = points[plane == inside], points[plane != inside]
        nearest = np.sqrt(((here[:, None] - there[None]) ** 2).sum(-1)).min(1)
        measured = found[0, 0].numpy().ravel()[plane == inside]
        np.testing.assert_allclose(measured, sign * (nearest - 0.5), atol=1e-4)


def test_distances_to_a_contour_are_those_of_another_implementation() -> None:
    """Its contour runs through the outermost pixels of the mask."""
    truth = two_classes()
    known, has_contour = BoundaryLoss().compute_distance_map(truth), truth.flatten(2).any(-1)
    found = signed_distances(truth)[has_contour] + 0.5
    torch.testing.assert_close(found, known[has_contour], atol=1e-4, rtol=0)


def test_an_empty_or_full_channel_has_no_contour() -> None:
    planes = torch.stack([torch.zeros(1, 8, 8), torch.ones(1, 8, 8)])
    assert signed_distances(planes).abs().max() == 0


@pytest.mark.parametrize(("share", "weight"), [(0.0, EDGE_FIRST), (1.0, EDGE_LAST)])
def test_the_boundary_takes_over_from_the_region(share: float, weight: float) -> None:
    truth = two_classes()
    logits = some_logits(truth)
    probs, true = arrays(logits.sigmoid(), truth)
    edge = float(np.mean((probs - true) * arrays(signed_distances(truth))[0]))
    expected = (1 - weight) * (bce(probs, true) + dice(probs, true)) + weight * edge
    assert value("boundary", logits, truth, share) == pytest.approx(expected, abs=1e-4)


def test_ssim_is_that_of_another_implementation() -> None:
    truth = two_classes()
    logits = some_logits(truth)
    probs, true = arrays(logits.sigmoid(), truth)
    expected = bce(probs, true) + dice(probs, true) + 1 - ssim(probs, true)
    assert value("ssim+bce+dice", logits, truth) == pytest.approx(expected, abs=1e-4)


def ssim(one: Array, other: Array) -> float:
    """Wang et al. 2004 with the usual 11 px Gaussian, where the whole of it lies within the picture."""

    def blur(maps: Array) -> Array:
        blurred: Array = gaussian_filter(maps, 1.5, axes=(2, 3), radius=5)
        return blurred[..., 5:-5, 5:-5]

    a, b = blur(one), blur(other)
    aa, bb, ab = blur(one**2) - a**2, blur(other**2) - b**2, blur(one * other) - a * b
    c1, c2 = 0.01**2, 0.03**2
    return float(np.mean((2 * a * b + c1) * (2 * ab + c2) / ((a**2 + b**2 + c1) * (aa + bb + c2))))


def test_cldice_of_half_a_line_is_that_counted_by_hand() -> None:
    truth = torch.zeros(1, 1, SIDE, SIDE)
    truth[..., 16, 6:26] = 1
    half = torch.full_like(truth, -40.0)
    half[..., 16, 6:16] = 40.0
    precision, sensitivity = 1.0, 11 / 21  # ten pixels of twenty, one added above and below
    lines = 1 - 2 * precision * sensitivity / (precision + sensitivity)
    assert value("cldice", half, truth) == pytest.approx((1 - 21 / 31 + lines) / 2, abs=1e-5)


def test_cldice_counts_a_gap_in_a_vessel_and_not_its_thickness() -> None:
    truth = torch.zeros(1, 1, SIDE, SIDE)
    truth[..., 13:18, 3:29] = 1
    gap, thin = truth.clone(), truth.clone()
    gap[..., 14:18] = 0
    thin[..., 13, :] = 0
    assert truth.sum() - gap.sum() < truth.sum() - thin.sum(), "by area the gap is the smaller fault"
    costs = [value("cldice", 80 * mask - 40, truth) for mask in (gap, thin)]
    areas = [value("dice", 80 * mask - 40, truth) / 2 for mask in (gap, thin)]
    assert costs[0] - areas[0] > costs[1] - areas[1]


@pytest.mark.parametrize("name", LOSSES)
def test_a_right_answer_costs_next_to_nothing_and_a_wrong_one_more(name: str) -> None:
    truth = two_classes()
    logits = 40 * truth - 20
    assert abs(value(name, logits, truth)) < 0.01 < value(name, -logits, truth)
    nothing = torch.zeros_like(truth)
    assert abs(value(name, nothing - 20, nothing)) < 0.01 < value(name, nothing + 20, nothing)


@pytest.mark.parametrize("name", LOSSES)
def test_a_few_steps_downhill_lower_it_and_draw_the_truth(name: str) -> None:
    truth = two_classes()
    logits = torch.zeros_like(truth).requires_grad_()
    optimizer, loss = torch.optim.Adam([logits], lr=0.1), build_loss(name, 0.5)
    costs = []
    for _ in range(15):
        optimizer.zero_grad()
        cost = loss(logits, truth)
        torch.autograd.backward(cost)
        optimizer.step()
        costs.append(cost.item())
    assert min(costs) == costs[-1] < 0.95 * costs[0]
    for channel in range(2):
        there = truth[:, channel] > 0
        assert logits[:, channel][there].mean() > 0 > logits[:, channel][~there].mean()


@pytest.mark.parametrize("name", LOSSES)
def test_where_a_class_is_absent_the_gradient_is_finite_and_calls_for_less_of_it(name: str) -> None:
    truth = two_classes()
    truth[:, 1] = 0
    for absent in (truth, torch.zeros_like(truth)):
        found = gradient(name, torch.zeros_like(absent), absent)
        assert found.isfinite().all()
        assert found[:, 1].sum() > 0


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("scale", [1.0, 88.0, 1e4])
@pytest.mark.parametrize("filled", ["empty", "some", "full"])
def test_no_logit_and_no_truth_makes_it_undefined(name: str, scale: float, filled: str) -> None:
    some = two_classes()
    truth = {"empty": torch.zeros_like(some), "some": some, "full": torch.ones_like(some)}[filled]
    for logits in (scale * some_logits(truth).sign(), scale * (2 * truth - 1)):
        assert math.isfinite(value(name, logits, truth))
        assert gradient(name, logits, truth).isfinite().all()


@pytest.mark.parametrize("name", LOSSES)
def test_logits_of_a_network_in_bfloat16_train_it(name: str) -> None:
    torch.manual_seed(0)
    layer, truth = torch.nn.Conv2d(2, 2, 3, padding=1), two_classes()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = layer(20 * truth)
    assert logits.dtype == torch.bfloat16
    torch.autograd.backward(build_loss(name)(logits.float(), truth))
    assert layer.weight.grad is not None
    assert layer.weight.grad.isfinite().all()
    assert layer.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("name", LOSSES)
def test_classes_weigh_the_same_whatever_their_order(name: str) -> None:
    truth = two_classes()
    logits = some_logits(truth)
    assert value(name, logits, truth) == pytest.approx(value(name, logits.flip(1), truth.flip(1)), rel=1e-5)


def test_a_recipe_may_name_every_loss_and_no_other() -> None:
    assert set(NAMES) == set(LOSSES)
    with pytest.raises(BadRequest, match="hinge"):
        build_loss("hinge")
