"""How answers of Label Studio become results and errors of ours, and what is tried again."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from adapters.label_studio.api import PAUSES, Api
from adapters.label_studio.client import LabelStudioClient
from loop.errors import BadRequest, Denied, NotFound, SonoloopError, Unavailable
from loop.remote import NewPrediction

Answer = Callable[[httpx.Request], httpx.Response]


class Server:
    """Answers in turn with what it was given, the last one again and again; remembers what it was asked."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[httpx.Request] = []
        self.pauses: list[float] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def api(self) -> Api:
        return Api(
            "http://studio.test/",
            "secret-token",
            transport=httpx.MockTransport(self),
            sleep=self.pauses.append,
        )


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, BadRequest), (401, Denied), (403, Denied), (404, NotFound), (409, BadRequest),
        (429, Unavailable), (500, Unavailable), (502, Unavailable), (503, Unavailable),
    ],
)  # fmt: skip
def test_a_refusal_becomes_the_error_that_says_what_to_do(status: int, error: type[SonoloopError]) -> None:
    server = Server(httpx.Response(status, json={"detail": "so it is"}))
    with pytest.raises(error, match="so it is"):
        server.api().post("/api/x", {})


@pytest.mark.parametrize(
    "broken", [httpx.ConnectError("refused"), httpx.ReadTimeout("slow"), httpx.RemoteProtocolError("cut")]
)
def test_no_answer_is_an_unavailable_service(broken: Exception) -> None:
    with pytest.raises(Unavailable):
        Server(broken).api().get("/api/x")


def test_a_page_instead_of_json_is_an_unavailable_service() -> None:
    with pytest.raises(Unavailable, match="not JSON"):
        Server(httpx.Response(200, text="<html>")).api().get("/api/x")


def test_a_read_is_tried_again_with_growing_pauses_until_it_is_answered() -> None:
    server = Server(httpx.ConnectError("refused"), httpx.Response(503), httpx.Response(200, json={"ok": 1}))
    assert server.api().get("/api/x") == {"ok": 1}
    assert server.pauses == [*PAUSES[:2]]
    assert sorted(PAUSES) == list(PAUSES)


def test_a_read_that_is_never_answered_fails_after_the_last_pause() -> None:
    server = Server(httpx.Response(503))
    with pytest.raises(Unavailable):
        server.api().get("/api/x")
    assert len(server.asked) == len(PAUSES) + 1


def test_a_refused_read_is_not_tried_again() -> None:
    server = Server(httpx.Response(403, json={"detail": "no"}))
    with pytest.raises(Denied):
        server.api().get("/api/x")
    assert len(server.asked) == 1


@pytest.mark.parametrize("write", ["post", "patch", "delete"])
def test_a_write_is_sent_once_because_it_may_have_been_done(write: str) -> None:
    server = Server(httpx.ReadTimeout("slow"))
    api = server.api()
    calls: dict[str, Callable[[], object]] = {
        "post": lambda: api.post("/api/x", {}),
        "patch": lambda: api.patch("/api/x", {}),
        "delete": lambda: api.delete("/api/x"),
    }
    with pytest.raises(Unavailable):
        calls[write]()
    assert len(server.asked) == 1


def test_the_token_goes_with_every_request_and_cookies_never_do() -> None:
    server = Server(httpx.Response(200, json={}, headers={"set-cookie": "sessionid=abc; Path=/"}))
    api = server.api()
    api.get("/api/x")
    api.get("/api/y")
    assert [request.headers["authorization"] for request in server.asked] == ["Token secret-token"] * 2
    assert "cookie" not in server.asked[1].headers


def test_a_long_refusal_is_told_by_both_its_ends() -> None:
    said = "begin " + "x" * 100_000 + " end"
    with pytest.raises(BadRequest) as caught:
        Server(httpx.Response(400, json={"detail": said})).api().post("/api/x", {})
    assert len(caught.value.message) < 500
    assert "begin" in caught.value.message
    assert "end" in caught.value.message


def push(created: int, *places: float) -> None:
    server = Server(httpx.Response(201, json={"created": created}))
    predictions = [NewPrediction(task, "v1", place, []) for task, place in enumerate(places, start=1)]
    LabelStudioClient(server.api()).push_predictions(1, predictions)


def test_predictions_that_label_studio_dropped_without_a_word_are_noticed() -> None:
    with pytest.raises(Unavailable, match="got 1 predictions created; need 2"):
        push(1, 0.0, 0.5)


@pytest.mark.parametrize("place", [float("nan"), float("inf")])
def test_a_place_that_is_no_number_is_refused_before_it_is_sent(place: float) -> None:
    with pytest.raises(BadRequest):
        push(1, place)


def test_more_than_a_chunk_at_once_is_refused_before_it_is_sent() -> None:
    with pytest.raises(BadRequest):
        push(101, *[0.5] * 101)


def test_tasks_that_were_not_all_created_are_noticed() -> None:
    server = Server(httpx.Response(201, json={"task_ids": [1]}))
    with pytest.raises(Unavailable):
        LabelStudioClient(server.api()).import_tasks(1, [{}, {}])
