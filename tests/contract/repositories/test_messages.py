"""Inbox, outbox and marks, on every database."""

from __future__ import annotations

import pytest

from db import SqlDatabase
from loop.errors import NotFound
from tests.contract.repositories.rows import NOON, after


def test_an_event_is_taken_in_once_even_after_it_was_done(database: SqlDatabase) -> None:
    event = {
        "key": "7:2030-06-01:ANNOTATION_CREATED",
        "action": "ANNOTATION_CREATED",
        "label_studio_project": 3,
        "annotation_ids": [7, 2**40],
        "task_ids": (),
        "now": after(1),
    }
    with database.write() as unit:
        assert not unit.inbox.has(str(event["key"]))
        assert unit.inbox.add(**event)  # type: ignore[arg-type]
        assert unit.inbox.has(str(event["key"]))
        assert not unit.inbox.add(**event)  # type: ignore[arg-type]
        found = unit.inbox.pending()[0]
        unit.inbox.forget(found.key)
        assert unit.inbox.pending() == [found]
        unit.inbox.mark_done(found.id, after(2))
        assert unit.inbox.pending() == []
        assert not unit.inbox.add(**event)  # type: ignore[arg-type]
        with pytest.raises(NotFound):
            unit.inbox.mark_done(404, NOON)
        unit.inbox.forget(found.key)
        assert unit.inbox.add(**event)  # type: ignore[arg-type]
    assert (found.annotation_ids, found.task_ids, found.received_at) == ((7, 2**40), (), after(1))


def test_pending_events_come_in_order_up_to_a_limit(database: SqlDatabase) -> None:
    with database.write() as unit:
        for number in range(5):
            unit.inbox.add(
                key=str(number),
                action="TASKS_DELETED",
                label_studio_project=None,
                annotation_ids=(),
                task_ids=(number,),
                now=NOON,
            )
        unit.inbox.mark_done(unit.inbox.pending()[1].id, NOON, error="no such task")
        assert [event.task_ids for event in unit.inbox.pending(limit=3)] == [(0,), (2,), (3,)]


def test_a_message_stays_pending_until_it_is_applied(database: SqlDatabase) -> None:
    with database.write() as unit:
        first = unit.outbox.add("model-version", {"project": 1, "name": "p1-v1"}, NOON)
        second = unit.outbox.add("model-version", {"project": 1, "name": "p1-v2"}, NOON)
        assert (first.attempts, first.payload) == (0, {"project": 1, "name": "p1-v1"})
        unit.outbox.mark_failed(first.id, "Label Studio did not answer")
        unit.outbox.mark_failed(first.id, "Label Studio did not answer")
        assert [(message.id, message.attempts) for message in unit.outbox.pending()] == [
            (first.id, 2),
            (second.id, 0),
        ]
        unit.outbox.mark_done(first.id, after(1))
        assert [message.id for message in unit.outbox.pending()] == [second.id]
        with pytest.raises(NotFound):
            unit.outbox.mark_done(404, NOON)
        with pytest.raises(NotFound):
            unit.outbox.mark_failed(404, "no such task")


def test_a_named_lease_has_one_holder_until_it_expires(database: SqlDatabase) -> None:
    with database.write() as unit:
        acquire = unit.marks.acquire
        assert acquire("reconcile", "a", now=NOON, until=after(10))
        assert not acquire("reconcile", "b", now=after(9), until=after(20))
        assert acquire("relay", "b", now=NOON, until=after(10))
        assert acquire("reconcile", "a", now=after(9), until=after(15))
        assert not acquire("reconcile", "b", now=after(10), until=after(20))
        assert acquire("reconcile", "b", now=after(15), until=after(20))


def test_only_its_holder_releases_a_lease(database: SqlDatabase) -> None:
    with database.write() as unit:
        assert unit.marks.held_until("reconcile") is None
        unit.marks.acquire("reconcile", "a", now=NOON, until=after(10))
        unit.marks.release("reconcile", "b")
        assert unit.marks.held_until("reconcile") == after(10)
        assert not unit.marks.acquire("reconcile", "b", now=after(1), until=after(10))
        unit.marks.release("reconcile", "a")
        assert unit.marks.held_until("reconcile") is None
        assert unit.marks.acquire("reconcile", "b", now=after(1), until=after(10))
        unit.marks.release("unknown", "a")


def test_a_lease_is_renewed_unless_it_went_to_another_even_if_that_one_is_gone(database: SqlDatabase) -> None:
    with database.write() as unit:
        marks = unit.marks
        assert not marks.renew("reconcile", "a", until=after(10))
        assert marks.held_until("reconcile") is None
        marks.acquire("reconcile", "a", now=NOON, until=after(10))
        assert marks.renew("reconcile", "a", until=after(20))
        assert not marks.renew("reconcile", "b", until=after(99))
        assert marks.held_until("reconcile") == after(20)
        assert marks.renew("reconcile", "a", until=after(60))  # late, but nobody was there
        assert marks.acquire("reconcile", "b", now=after(60), until=after(70))
        assert not marks.renew("reconcile", "a", until=after(99))
        marks.release("reconcile", "b")
        assert not marks.renew("reconcile", "a", until=after(99))


def test_a_cursor_keeps_its_last_value(database: SqlDatabase) -> None:
    with database.write() as unit:
        assert unit.marks.cursor("reconcile:1") is None
        unit.marks.set_cursor("reconcile:1", "2030-06-01")
        unit.marks.set_cursor("reconcile:2", "")
        unit.marks.set_cursor("reconcile:1", "2030-06-02")
        assert (unit.marks.cursor("reconcile:1"), unit.marks.cursor("reconcile:2")) == ("2030-06-02", "")


def test_cursors_of_a_kind_are_found_by_how_their_names_begin(database: SqlDatabase) -> None:
    with database.write() as unit:
        for name in ("a_b-1", "a_b-22", "axb-3", "b-a_b-4"):
            unit.marks.set_cursor(name, f"value of {name}")
        assert unit.marks.cursors("a_b-") == {"1": "value of a_b-1", "22": "value of a_b-22"}
        assert unit.marks.cursors("none-") == {}


def test_what_was_set_aside_is_kept_once_with_its_newest_reason(database: SqlDatabase) -> None:
    with database.write() as unit:
        unit.marks.set_aside("annotation", "7", "bad length", after(1))
        unit.marks.set_aside("frame", "7", "no image", after(2))
        unit.marks.set_aside("annotation", "7", "bad label", after(3))
        unit.marks.set_aside("annotation", "8", "mended since", after(4))
        unit.marks.resolve("annotation", "8")
        unit.marks.resolve("annotation", "never seen")
        kept = [(item.kind, item.subject, item.message, item.at) for item in unit.marks.list_set_aside()]
    assert kept == [
        ("annotation", "7", "bad label", after(3)),
        ("frame", "7", "no image", after(2)),
    ]


def test_what_was_set_aside_is_found_by_its_task(database: SqlDatabase) -> None:
    with database.write() as unit:
        unit.marks.set_aside("annotation", "7", "bad length", NOON, task_id=101)
        unit.marks.set_aside("annotation", "8", "bad label", NOON, task_id=101)
        unit.marks.set_aside("annotation", "9", "bad label", NOON, task_id=2**40)
        unit.marks.set_aside("frame", "a", "no image", NOON, task_id=101)
        unit.marks.set_aside("file", "b", "no image", NOON)
        unit.marks.set_aside("annotation", "8", "moved", NOON, task_id=103)
        assert unit.marks.set_aside_of("annotation", [2**40, 101, 5]) == {101: ["7"], 2**40: ["9"]}
        assert unit.marks.set_aside_of("annotation", []) == {}
        tasks = {item.subject: item.task_id for item in unit.marks.list_set_aside()}
    assert tasks == {"7": 101, "8": 103, "9": 2**40, "a": 101, "b": None}


def test_many_followed_events_leave_the_list_together(database: SqlDatabase) -> None:
    with database.write() as unit:
        for name in "abc":
            unit.inbox.add(
                key=name, action="x", label_studio_project=1, annotation_ids=[1], task_ids=[], now=NOON
            )
        first, second, third = unit.inbox.pending()
        unit.inbox.mark_all_done([first.id, second.id, 404], after(5))
        assert unit.inbox.pending() == [third]
        unit.inbox.mark_all_done([], NOON)
        assert unit.inbox.pending() == [third]
