"""The load drill's arithmetic, on numbers whose answer is known."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from benchmarks.database import exponent
from benchmarks.load import QUICK, parse
from benchmarks.loading.figures import growth, lags, milliseconds, per_second, push_rates, quantile
from benchmarks.loading.plan import FLOOD, PACED, Plan
from benchmarks.loading.readers import Call
from benchmarks.loading.watching import Look

SUBMITS = [Call(PACED, "submit", 100.0 + second, 0.1 * (second + 1), second) for second in range(10)]


def look(at: float, memory: float, predictions: int = 0) -> Look:
    return Look(at, {"backend": memory}, {"backend": at}, predictions)


def test_a_quantile_lies_within_its_interval_and_the_interval_within_the_values() -> None:
    values = np.random.default_rng(0).exponential(size=1000)
    found = quantile(values, 0.99)
    assert found.value == pytest.approx(np.quantile(values, 0.99))
    assert values.min() <= found.low < found.value < found.high <= values.max()


def test_the_interval_of_a_median_holds_the_true_one_19_times_in_20() -> None:
    generator = np.random.default_rng(1)
    found = [quantile(generator.normal(size=200), 0.5) for _ in range(1000)]
    assert 0.93 <= np.mean([each.low <= 0 <= each.high for each in found]) <= 0.985


def test_no_values_give_a_dash_and_one_gives_itself() -> None:
    assert str(quantile([], 0.5)) == "-"
    assert str(quantile([2.0], 0.99)) == "2 (2-2)"


def test_figures_are_of_one_kind_of_request_in_one_phase() -> None:
    others = [Call(PACED, "next", 100.0, 9.0), Call(FLOOD, "submit", 100.0, 9.0)]
    assert milliseconds([*SUBMITS, *others], PACED, "submit", 0.5).value == pytest.approx(550)
    assert per_second([*SUBMITS, *others], PACED, "submit") == pytest.approx(1.0)
    assert per_second([*SUBMITS, *others], FLOOD, "submit") == 0.0


def test_the_lag_runs_from_the_answer_to_the_row_and_is_never_negative() -> None:
    recorded = {
        3: datetime.fromtimestamp(104.5, UTC),
        4: datetime.fromtimestamp(90.0, UTC),
        99: datetime.fromtimestamp(500.0, UTC),
    }
    assert lags(SUBMITS, PACED, recorded) == [1.5, 0.0]


def test_memory_that_rises_with_the_submits_has_their_slope_and_a_warm_up_counts_for_nothing() -> None:
    submits = [float(second) for second in range(1000)]
    rising = [look(float(second), 100 + 0.01 * second) for second in range(0, 1000, 10)]
    assert growth(rising, "backend", submits).slope == pytest.approx(10.0, rel=0.02)
    warming = [look(float(second), min(100.0, 50.0 + second)) for second in range(0, 1000, 10)]
    flat = growth(warming, "backend", submits)
    assert flat.slope == pytest.approx(0.0, abs=1e-6)
    assert (flat.start, flat.end, flat.peak) == (95.0, 100.0, 100.0)
    assert math.isnan(growth(rising, "backend", []).slope)


def test_push_rates_leave_out_the_spans_without_a_push() -> None:
    looks = [look(0.0, 1.0, 10), look(2.0, 1.0, 110), look(4.0, 1.0, 110), look(8.0, 1.0, 310)]
    assert push_rates(looks) == [50.0, 50.0]


def test_the_exponent_says_how_time_follows_size() -> None:
    assert exponent([10, 100, 1000], [5.0, 1.0, 10.0]) == pytest.approx(1.0)
    assert exponent([10, 100], [2.0, 2.0]) == pytest.approx(0.0)
    assert math.isnan(exponent([10], [2.0]))


def test_quick_is_small_and_gives_way_to_what_is_asked_for() -> None:
    assert parse(["--quick"]) == (replace(Plan(), **QUICK), None)
    plan, out = parse(["--quick", "--readers", "2", "--frames", "40", "--without-bare", "--out", "x"])
    assert (plan.readers, plan.frames, plan.with_bare, str(out)) == (2, 40, False, "x")


def test_a_phase_without_time_is_left_out() -> None:
    assert Plan(minutes=0).names == [FLOOD]
