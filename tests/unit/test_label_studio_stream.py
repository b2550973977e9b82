"""What a browser asks of the stream, with the wishes taken out that it names and leaves open."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from adapters.label_studio.inside.sonoloop_stream import stripped, without_empty_wishes

FRESH = {
    "ordering": [],
    "selectedItems": {"all": False, "included": []},
    "filters": {"conjunction": "and", "items": []},
    "project": "1",
}


def passed_on(path: str, body: bytes, action: str = "next_task") -> Any:
    """The request as it comes out of the middleware."""
    request = SimpleNamespace(path=path, GET={"id": action}, body=body)
    return without_empty_wishes(lambda each: each)(request)


def test_a_fresh_browser_asks_for_the_next_task_and_nothing_else() -> None:
    assert json.loads(stripped(json.dumps(FRESH).encode())) == {"project": "1"}


@pytest.mark.parametrize(
    "wish",
    [
        {"ordering": ["-tasks:id"]},
        {"selectedItems": {"all": False, "included": [4]}},
        {"selectedItems": {"all": True, "excluded": [4]}},
        {"filters": {"conjunction": "and", "items": [{"filter": "filter:tasks:id"}]}},
    ],
)
def test_what_a_reader_really_asks_for_stays(wish: dict[str, Any]) -> None:
    assert json.loads(stripped(json.dumps({**FRESH, **wish}).encode())) == {"project": "1", **wish}


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b'"text"'])
def test_a_body_that_is_no_object_is_left_to_label_studio(body: bytes) -> None:
    assert stripped(body) == body


def test_only_requests_for_the_next_task_are_touched() -> None:
    body = json.dumps(FRESH).encode()
    assert json.loads(passed_on("/api/dm/actions", body)._body) == {"project": "1"}
    assert json.loads(passed_on("/api/dm/actions/", body)._body) == {"project": "1"}
    assert not hasattr(passed_on("/api/dm/actions", body, "delete_tasks"), "_body")
    assert not hasattr(passed_on("/api/tasks", body), "_body")
