"""Input that nobody sends on purpose, and the budgets that it is tried with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

FEW, MANY = 60, 1000
"""Examples of the default suite, the same ones each time, and of the long drills, new ones each time."""

words = st.sampled_from(
    ["action", "annotation", "annotations", "task", "tasks", "project", "id", "updated_at", "result", "value"]
)
actions = st.sampled_from(
    [
        "ANNOTATION_CREATED",
        "ANNOTATIONS_DELETED",
        "TASKS_DELETED",
        "ANNOTATION_UPDATED",
        "START_TRAINING",
        "x",
    ]
)
leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=20)
    | actions
)
json_values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(words | st.text(max_size=5), inner, max_size=5)
    ),
    max_leaves=12,
)
events = st.fixed_dictionaries(
    {"action": actions | json_values},
    optional=dict.fromkeys(("annotation", "annotations", "task", "tasks", "project"), json_values),
)
calls = st.fixed_dictionaries(
    {},
    optional={
        "project": st.sampled_from(["7.1767600000", 7, {"id": 7}, "7"]) | json_values,
        "tasks": st.lists(st.fixed_dictionaries({"id": st.integers(95, 110) | leaves}), max_size=3)
        | json_values,
        "params": json_values,
    },
)


def run(check: Callable[[Any], None], strategy: SearchStrategy[Any], is_long: bool, few: int = FEW) -> None:
    """Try the property on drawn input; the first counterexample fails the test."""
    limits = settings(
        max_examples=MANY if is_long else few,
        derandomize=not is_long,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )

    def property_(value: Any) -> None:
        check(value)

    limits(given(strategy)(property_))()
