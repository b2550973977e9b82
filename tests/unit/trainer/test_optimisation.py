from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch.nn import Parameter
from torch.optim import Optimizer, RAdam

from trainer.optimisation import OPTIMIZERS, SCHEDULES, build_optimizer, learning_rate, set_learning_rate
from trainer.ranger import SHARE, STEPS
from trainer.recipes import OPTIMIZERS as NAMES
from trainer.recipes import RECIPES, Recipe
from trainer.recipes import SCHEDULES as SCHEDULE_NAMES

FAST = RECIPES["fast"]


def rates(schedule: str, steps: int = 101) -> list[float]:
    recipe = replace(FAST, schedule=schedule, learning_rate=1.0)
    return [learning_rate(recipe, step, steps) for step in range(steps)]


def made(name: str, weight: Parameter, **changes: float) -> Optimizer:
    return build_optimizer(replace(FAST, optimizer=name, weight_decay=0.0, **changes), [weight])  # type: ignore[arg-type]


def descend(optimizer: Optimizer, weight: Parameter, steps: int) -> None:
    """Steps down the square of the weight."""
    for _ in range(steps):
        optimizer.zero_grad()
        torch.autograd.backward(weight.square().sum())
        optimizer.step()


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


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_schedule_rises_once_at_most_reaches_the_peak_and_stays_above_zero(schedule: str) -> None:
    found = rates(schedule)
    peak = found.index(max(found))
    assert found[peak] == 1.0
    assert found[: peak + 1] == sorted(found[: peak + 1])
    assert found[peak:] == sorted(found[peak:], reverse=True)
    assert min(found) > 0
    assert rates(schedule, 1)[0] > 0


def test_the_cosine_is_at_half_its_height_half_way() -> None:
    assert rates("cosine")[50] == pytest.approx(0.5, abs=1e-3)
    assert rates("cosine")[100] == pytest.approx(1e-4)


def test_the_polynomial_is_that_of_deeplab() -> None:
    found = rates("polynomial")
    assert found[::20] == pytest.approx([(1 - step / 100) ** 0.9 for step in range(0, 101, 20)], abs=2e-4)


def test_the_steps_fall_tenfold_at_half_and_at_three_quarters() -> None:
    found = rates("step")
    assert [found[step] for step in (0, 49, 50, 74, 75, 100)] == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])


def test_the_warm_up_is_straight_and_short() -> None:
    found = rates("warm-up+cosine")
    assert found.index(max(found)) == 5
    rises = [after - before for before, after in pairwise(found[:6])]
    assert rises == pytest.approx([rises[0]] * 5)
    assert found[100] == pytest.approx(1e-4)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_goes_downhill_at_the_rate_it_is_given(name: str) -> None:
    weight = Parameter(torch.tensor([1.0]))
    optimizer = made(name, weight)
    set_learning_rate(optimizer, 0.0)
    descend(optimizer, weight, 1)
    assert weight.item() == 1.0
    set_learning_rate(optimizer, 0.02)
    descend(optimizer, weight, 12)
    assert abs(weight.item()) < 0.95


@pytest.mark.parametrize(("name", "second"), [("sgd", 0.8 - 0.1 * (1.6 + 0.5 * 2)), ("sgd-nesterov", None)])
def test_sgd_has_the_momentum_of_the_recipe(name: str, second: float | None) -> None:
    weight = Parameter(torch.tensor([1.0]))
    optimizer = made(name, weight, learning_rate=0.1, momentum=0.5)
    descend(optimizer, weight, 1)
    first = 1 - 0.1 * 2 if name == "sgd" else 1 - 0.1 * (2 + 0.5 * 2)
    assert weight.item() == pytest.approx(first)
    descend(optimizer, weight, 1)
    velocity = 2 * first + 0.5 * 2
    looked_ahead = 2 * first + 0.5 * velocity
    assert weight.item() == pytest.approx(second or first - 0.1 * looked_ahead)


def test_sgd_without_momentum_is_plain_gradient_descent() -> None:
    for name in ("sgd", "sgd-nesterov"):
        weight = Parameter(torch.tensor([1.0]))
        descend(made(name, weight, learning_rate=0.1, momentum=0.0), weight, 2)
        assert weight.item() == pytest.approx(0.8**2)


@pytest.mark.parametrize(
    ("name", "is_decoupled"),
    [(name, name in ("adamw", "ranger")) for name in OPTIMIZERS],
)
def test_weight_decay_is_in_the_gradient_or_decoupled(name: str, is_decoupled: bool) -> None:
    """Where there is no gradient a decoupled decay takes the same share of a weight at every step."""
    weight = Parameter(torch.tensor([1.0, 10.0]))
    recipe = replace(FAST, optimizer=name, weight_decay=0.1, learning_rate=0.01)
    optimizer = build_optimizer(recipe, [weight])
    weight.grad = torch.zeros(2)
    for _ in range(STEPS - 1):
        optimizer.step()
    shrunk = torch.tensor([1.0, 10.0]) * (1 - 0.01 * 0.1) ** (STEPS - 1)
    assert torch.allclose(weight.detach(), shrunk, rtol=1e-6) is is_decoupled
    assert (weight.detach() < torch.tensor([1.0, 10.0])).all()


def test_ranger_is_radam_that_is_drawn_back_to_slow_weights() -> None:
    weight, twin = (Parameter(torch.tensor([1.0, -3.0])) for _ in range(2))
    recipe = replace(FAST, optimizer="ranger", learning_rate=0.05, weight_decay=0.1)
    ranger = build_optimizer(recipe, [weight])
    radam = RAdam([twin], lr=0.05, weight_decay=0.1, decoupled_weight_decay=True)
    slow = twin.detach().clone()
    for step in range(1, 2 * STEPS + 2):
        descend(ranger, weight, 1)
        descend(radam, twin, 1)
        if step % STEPS == 0:
            slow += SHARE * (twin.detach() - slow)
            twin.data.copy_(slow)
        torch.testing.assert_close(weight, twin)


def test_a_recipe_may_name_every_optimizer_and_schedule_and_no_other() -> None:
    assert set(NAMES) == set(OPTIMIZERS)
    assert set(SCHEDULE_NAMES) == set(SCHEDULES)


def test_a_recipe_of_every_pair_can_be_made() -> None:
    for optimizer in OPTIMIZERS:
        for schedule in SCHEDULES:
            assert isinstance(replace(FAST, optimizer=optimizer, schedule=schedule), Recipe)
