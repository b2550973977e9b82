"""Which requests wait for one another inside Label Studio, and that nothing else does."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest

from adapters.label_studio.inside.sonoloop_turns import asks_for_task, one_at_a_time


def request(path: str, action: str = "") -> Any:
    return SimpleNamespace(path=path, GET={"id": action} if action else {})


@pytest.mark.parametrize(
    ("path", "action", "is_for_a_task"),
    [
        ("/api/projects/7/next", "", True),
        ("/api/projects/7/next/", "", True),
        ("/api/dm/actions", "next_task", True),
        ("/api/dm/actions/", "next_task", True),
        ("/api/dm/actions", "delete_tasks", False),
        ("/api/dm/actions", "", False),
        ("/api/projects/7", "", False),
        ("/api/tasks/7/annotations/", "", False),
        ("/data/local-files/", "next_task", False),
    ],
)
def test_only_requests_for_a_next_task_take_turns(path: str, action: str, is_for_a_task: bool) -> None:
    assert asks_for_task(path, action) is is_for_a_task


def test_one_request_for_a_task_waits_for_the_other_and_a_submission_for_none() -> None:
    first_is_in, may_leave = Event(), Event()
    served: list[str] = []

    def view(asked: Any) -> str:
        if asked.path.endswith("/1/next"):
            first_is_in.set()
            assert may_leave.wait(5)
        served.append(asked.path)
        return str(asked.path)

    answer = one_at_a_time(view)
    with ThreadPoolExecutor() as pool:
        first = pool.submit(answer, request("/api/projects/1/next"))
        assert first_is_in.wait(5)
        second = pool.submit(answer, request("/api/projects/2/next"))
        assert answer(request("/api/tasks/3/annotations/")) == "/api/tasks/3/annotations/"
        may_leave.set()
        assert (first.result(5), second.result(5)) == ("/api/projects/1/next", "/api/projects/2/next")
    assert served == ["/api/tasks/3/annotations/", "/api/projects/1/next", "/api/projects/2/next"]


def test_a_request_that_fails_gives_its_turn_away() -> None:
    def view(asked: Any) -> str:
        if "bad" in asked.GET:
            raise RuntimeError
        return "served"

    answer = one_at_a_time(view)
    with pytest.raises(RuntimeError):
        answer(SimpleNamespace(path="/api/projects/1/next", GET={"bad": "1"}))
    assert answer(request("/api/projects/1/next")) == "served"
