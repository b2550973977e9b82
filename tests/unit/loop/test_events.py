"""Webhook bodies as Label Studio sends them, and as nobody should."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loop.errors import BadEvent
from loop.events import parse_event

AT = "2026-11-21T12:13:56.730200Z"


def body(action: str, **content: Any) -> dict[str, Any]:
    return {"action": action, "project": {"id": 3, "title": "t"}, **content}


@pytest.mark.parametrize(
    ("payload", "annotations", "tasks"),
    [
        (body("ANNOTATION_CREATED", annotation={"id": 10, "updated_at": AT}, task={"id": 4}), (10,), ()),
        (body("ANNOTATION_UPDATED", annotation={"id": 10, "updated_at": AT}, task={"id": 4}), (10,), ()),
        (
            body("ANNOTATIONS_CREATED", annotation=[{"id": 1}, {"id": 2}], task=[{"id": 8}, {"id": 9}]),
            (1, 2),
            (),
        ),
        (body("ANNOTATIONS_DELETED", annotations=[{"id": 10}]), (10,), ()),
        (body("TASKS_DELETED", tasks=[{"id": 5}, {"id": 6}]), (), (5, 6)),
    ],
)
def test_every_kind_of_event_names_its_ids(
    payload: dict[str, Any], annotations: tuple[int, ...], tasks: tuple[int, ...]
) -> None:
    event = parse_event(payload)
    assert event is not None
    assert (event.annotation_ids, event.task_ids, event.label_studio_project) == (annotations, tasks, 3)


@pytest.mark.parametrize(
    "action", ["START_TRAINING", "PROJECT_UPDATED", "TASKS_CREATED", "LABEL_LINK_CREATED"]
)
def test_other_actions_are_passed_over(action: str) -> None:
    assert parse_event(body(action)) is None


def test_two_deliveries_of_one_event_have_one_key_and_other_events_others() -> None:
    created = parse_event(body("ANNOTATION_CREATED", annotation={"id": 10, "updated_at": AT}))
    again = parse_event(body("ANNOTATION_CREATED", annotation={"id": 10, "updated_at": AT, "lead_time": 2}))
    updated = parse_event(body("ANNOTATION_UPDATED", annotation={"id": 10, "updated_at": AT}))
    later = parse_event(
        body("ANNOTATION_UPDATED", annotation={"id": 10, "updated_at": AT.replace("13", "14")})
    )
    events = [created, again, updated, later]
    keys = [event.key for event in events if event]
    assert keys[0] == keys[1]
    assert len(set(keys)) == 3


def test_the_order_of_a_list_says_nothing() -> None:
    forth = parse_event(body("TASKS_DELETED", tasks=[{"id": 5}, {"id": 6}]))
    back = parse_event(body("TASKS_DELETED", tasks=[{"id": 6}, {"id": 5}]))
    assert forth
    assert back
    assert forth.key == back.key


@pytest.mark.parametrize(
    "payload",
    [
        None,
        [],
        "x",
        {},
        {"action": 3},
        body("ANNOTATION_CREATED"),
        body("ANNOTATION_CREATED", annotation=[]),
        body("ANNOTATION_CREATED", annotation="10"),
        body("ANNOTATION_CREATED", annotation={"id": "10"}),
        body("ANNOTATION_CREATED", annotation={"id": True}),
        body("ANNOTATION_CREATED", annotation={"id": -1}),
        body("ANNOTATIONS_DELETED", annotations=[{"id": 1}, 2]),
        body("TASKS_DELETED", tasks={}),
    ],
)
def test_a_body_that_names_nothing_is_refused(payload: object) -> None:
    with pytest.raises(BadEvent):
        parse_event(payload)


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(st.sampled_from(["ANNOTATION_CREATED", "ANNOTATIONS_DELETED", "TASKS_DELETED"]), json, json)
def test_nothing_but_the_drawn_error_comes_out_of_a_forged_body(
    action: str, subject: object, project: object
) -> None:
    try:
        event = parse_event({"action": action, "annotation": subject, "tasks": subject, "project": project})
    except BadEvent:
        return
    assert event is not None
    assert all(value > 0 for value in (*event.annotation_ids, *event.task_ids))
