"""A worker's page of figures as the server that shows it answers, whoever asks and however."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator
from email.message import Message

import httpx
import pytest

from adapters.http_server import HEADERS
from adapters.metrics import exposition
from adapters.metrics.instruments import new_registry
from adapters.throttle import REFUSALS
from tests.machine import free_port

pytestmark = pytest.mark.services
AUTH = ("prometheus", "secret")


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    port = free_port()
    exposition.serve(new_registry(), "127.0.0.1", port, *AUTH)
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        yield client


def test_every_answer_carries_the_headers_and_no_version(client: httpx.Client) -> None:
    answers = [
        client.get("/metrics", auth=AUTH),
        client.get("/metrics"),
        client.get("/", auth=AUTH),
        client.post("/metrics", auth=AUTH),
        client.post("/metrics", auth=AUTH, content=b"x" * (exposition.LIMITS.body_bytes + 1)),
    ]
    assert [answer.status_code for answer in answers] == [200, 401, 404, 404, 413]
    for answer in answers:
        check(answer.headers)


def test_whoever_guesses_is_told_to_wait_with_them_too(client: httpx.Client) -> None:
    answers = [client.get("/metrics", auth=("prometheus", "guess")) for _ in range(REFUSALS + 1)]
    assert [answer.status_code for answer in answers] == [401] * REFUSALS + [429]
    assert int(answers[-1].headers["Retry-After"]) > 0
    check(answers[-1].headers)


def test_what_is_no_request_at_all_is_refused_with_them_too(client: httpx.Client) -> None:
    with socket.create_connection(("127.0.0.1", client.base_url.port or 0), timeout=30) as connection:
        connection.sendall(b"GET /metrics HTTP/1.1\r\nno header\r\n\r\n")
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        assert answer.status == 400
        check(answer.headers)


def check(headers: httpx.Headers | Message) -> None:
    assert {name: headers.get(name) for name in HEADERS} == HEADERS
    assert headers.get("Server") == "sonoloop"
