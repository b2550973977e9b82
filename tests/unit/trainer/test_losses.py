from __future__ import annotations

import math

import pytest
import torch

from loop.errors import BadRequest
from trainer.losses import LOSSES, build_loss, targets


def test_indices_become_one_channel_a_class() -> None:
    index_maps = torch.tensor([[[0, 1], [2, 2]]], dtype=torch.uint8)
    assert targets(index_maps, 2).tolist() == [[[[0, 1], [0, 0]], [[0, 0], [1, 1]]]]


def test_bce_of_an_undecided_network_is_one_bit() -> None:
    loss = build_loss("bce")(torch.zeros(2, 1, 8, 8), torch.ones(2, 1, 8, 8))
    assert loss.item() == pytest.approx(math.log(2))


@pytest.mark.parametrize("name", LOSSES)
def test_a_right_answer_costs_less_than_a_wrong_one_and_an_empty_batch_is_finite(name: str) -> None:
    loss, truth = build_loss(name), torch.zeros(2, 1, 8, 8)
    assert loss(torch.full_like(truth, -9.0), truth) < 0.01
    truth[:, :, 2:5] = 1
    logits = 20 * truth - 10
    assert loss(logits, truth) < 0.01 < loss(-logits, truth)


def test_an_unknown_loss_is_refused() -> None:
    with pytest.raises(BadRequest, match="hinge"):
        build_loss("hinge")
