"""Which file names hint at a film."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.formats.series import count_in_series


@pytest.mark.parametrize("form", ["frame_{:04}", "{:04}", "IMG{:04}", "scan ({})", "patient12-{:04}"])
def test_numbered_names_are_a_series(form: str) -> None:
    assert count_in_series(form.format(number) for number in range(30)) == 30
    assert count_in_series(form.format(number) for number in range(0, 300, 10)) == 30


def test_short_series_of_many_are_counted_together() -> None:
    names = [f"patient{patient}-{number:04}" for patient in range(5) for number in range(4)]
    assert count_in_series([*names, "overview"]) == 20
    assert count_in_series(f"case{case}_{letter}" for case in range(4) for letter in "abC") == 12


@pytest.mark.parametrize(
    "names",
    [
        [],
        ["0001", "0002", "0003"],
        [f"{number * 977}" for number in range(40)],
        ["left", "right", "neck_a", "neck_b", "arm", "leg", "hand", "foot", "wrist"],
        [f"patient{patient * 31}-0001" for patient in range(40)],
    ],
)
def test_few_names_far_numbers_and_words_are_none(names: list[str]) -> None:
    assert count_in_series(names) == 0


def test_the_rest_of_a_series_counts_by_the_whole_of_it_and_names_of_others_do_not_help() -> None:
    rest, told = ["IMG3", "IMG9"], [f"IMG{number}" for number in range(10) if number not in (3, 9)]
    assert count_in_series(rest) == 0
    assert count_in_series(rest, told) == 2
    assert count_in_series(rest, [f"scan{number}" for number in range(10)]) == 0
    assert count_in_series([], told) == 0


@given(st.lists(st.text(max_size=12)))
def test_any_names_can_be_looked_at(names: list[str]) -> None:
    assert 0 <= count_in_series(names) <= len(set(names))
