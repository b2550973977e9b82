from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from loop.errors import BadRequest
from trainer.optimisation import OPTIMIZERS, build_optimizer, learning_rate, set_learning_rate
from trainer.recipes import RECIPES

FAST = RECIPES["fast"]


def test_one_cycle_rises_to_the_peak_and_falls_to_almost_nothing() -> None:
    rates = [learning_rate(FAST, step, 101) for step in range(101)]
    peak = rates.index(max(rates))
    assert peak == 25
    assert rates[peak] == FAST.learning_rate
    assert rates[:peak] == sorted(rates[:peak])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    assert rates[-1] < 1e-3 * FAST.learning_rate


def test_a_constant_rate_is_constant_and_a_single_step_has_one() -> None:
    paper = RECIPES["paper"]
    assert {learning_rate(paper, step, 9) for step in range(9)} == {paper.learning_rate}
    assert learning_rate(FAST, 0, 1) > 0


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_goes_downhill_at_the_rate_it_is_given(name: str) -> None:
    weight = torch.nn.Parameter(torch.tensor([1.0]))
    optimizer = build_optimizer(replace(FAST, optimizer=name), [weight])
    set_learning_rate(optimizer, 0.5)
    torch.autograd.backward(weight.square().sum())
    optimizer.step()
    assert weight.item() == pytest.approx(0.5, abs=0.01)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(BadRequest, match="sgd"):
        build_optimizer(replace(FAST, optimizer="sgd"), [])
    with pytest.raises(BadRequest, match="steps"):
        learning_rate(replace(FAST, schedule="steps"), 0, 1)
