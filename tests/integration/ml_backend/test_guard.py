"""The server towards strangers: closed unless named as open, silent about itself, and hard to wear out."""

from __future__ import annotations

import base64
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient

from adapters.http_server import HEADERS, listen
from adapters.label_studio.provision import SECRET_HEADER
from adapters.settings import Settings
from adapters.throttle import REFUSALS
from ml_backend.access import BODY_BYTES, OPEN
from ml_backend.app import create_app
from ml_backend.server import LIMITS
from tests.integration.ml_backend.conftest import Backend, serve

pytestmark = pytest.mark.services
DEEP = 100_000
NESTED = [b"[" * DEEP + b"]" * DEEP, b'{"a":' * DEEP + b"1" + b"}" * DEEP]
HUGE_NUMBER = b'{"project":' + b"9" * 10_000 + b"}"
LARGEST = 2**63


@pytest.fixture
def app(backend: Backend) -> Flask:
    """The same app without a port, with buckets of its own."""
    return create_app(backend.container, backend.champions)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def calls(app: Flask) -> Iterator[tuple[str, str, str]]:
    """Endpoint, method and path of everything that the server answers."""
    for rule in app.url_map.iter_rules():
        for method in sorted(rule.methods or ()):
            yield rule.endpoint, method, rule.rule


def signed(backend: Backend) -> dict[str, str]:
    pair = base64.b64encode(":".join(backend.auth).encode()).decode()
    return {"Authorization": f"Basic {pair}"}


def test_every_endpoint_but_the_health_check_is_closed_to_strangers(app: Flask, client: FlaskClient) -> None:
    found: dict[tuple[str, str], int] = {}
    for endpoint, method, path in calls(app):
        found[endpoint, method] = client.open(
            path, method=method, environ_base={"REMOTE_ADDR": f"10.0.0.{len(found)}"}
        ).status_code
    closed = {call: status for call, status in found.items() if call[0] not in OPEN}
    assert len(closed) >= 9
    assert set(closed.values()) == {401}
    assert frozenset({"health"}) == OPEN


def test_an_unknown_path_tells_a_stranger_nothing(client: FlaskClient) -> None:
    assert client.get("/nothing").status_code == 401
    assert client.get("/static/../ml_backend/app.py").status_code == 401


def test_the_webhooks_secret_opens_the_webhook_alone(app: Flask, backend: Backend) -> None:
    for endpoint, method, path in calls(app):
        if endpoint not in OPEN and method in ("GET", "POST"):
            answer = app.test_client().open(path, method=method, headers=backend.secret, data=b"{}")
            assert (answer.status_code == 401) == (endpoint != "webhook"), endpoint


def test_every_answer_carries_the_headers_and_no_version(backend: Backend) -> None:
    answers = [
        backend.client.get("/health"),
        backend.client.get("/versions", auth=backend.auth),
        backend.client.get("/versions"),
        backend.client.get("/nothing", auth=backend.auth),
        backend.client.post("/predict", content=b"{", auth=backend.auth),
        backend.client.put("/predict", auth=backend.auth),
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 401, 404, 400, 405]
    for answer in answers:
        assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
        assert answer.headers["Server"] == "sonoloop"


def test_an_error_that_nobody_foresaw_says_nothing_of_itself(app: Flask, backend: Backend) -> None:
    app.view_functions["health"] = lambda: str(1 / 0)
    answer = app.test_client().get("/health")
    assert answer.status_code == 500
    assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
    for word in ("Zero", "Traceback", "/ml_backend", str(backend.container.settings.root)):
        assert word not in answer.text


@pytest.mark.parametrize(
    "given",
    ["Basic ÿþ", "Basic ====", "Basic " + "A" * 9000, "Basic /zr/", "Basic", "Bearer x", "Digest a=b", "ÿ"],
)
def test_a_strange_authorization_is_a_refusal_and_no_crash(client: FlaskClient, given: str) -> None:
    assert client.get("/versions", headers={"Authorization": given}).status_code == 401
    assert client.post("/webhook", headers={SECRET_HEADER: given}).status_code == 401


def test_a_guesser_is_told_to_wait_while_others_are_heard(app: Flask, backend: Backend) -> None:
    def ask(address: str, headers: dict[str, str]) -> tuple[int, str | None]:
        answer = app.test_client().get("/versions", headers=headers, environ_base={"REMOTE_ADDR": address})
        return answer.status_code, answer.headers.get("Retry-After")

    assert [ask("10.0.0.66", {})[0] for _ in range(REFUSALS)] == [401] * REFUSALS
    status, seconds = ask("10.0.0.66", {})
    assert status == 429
    assert 1 <= int(seconds or 0) <= 6
    assert ask("10.0.0.66", signed(backend))[0] == 429, "even the right guess is not looked at"
    assert ask("10.0.0.1", signed(backend))[0] == 200


def test_label_studio_is_served_although_somebody_on_its_machine_guesses(
    client: FlaskClient, backend: Backend
) -> None:
    assert client.get("/versions", headers=signed(backend)).status_code == 200
    codes = {client.get("/versions").status_code for _ in range(3 * REFUSALS)}
    assert codes == {401, 429}
    assert client.get("/versions", headers=signed(backend)).status_code == 200


@pytest.mark.parametrize("body", [*NESTED, HUGE_NUMBER, b"\xff\xfe", b'{"project": NaN}'])
@pytest.mark.parametrize("path", ["/webhook", "/predict", "/setup", "/versions"])
def test_json_that_would_wear_out_the_parser_is_refused(
    client: FlaskClient, backend: Backend, path: str, body: bytes
) -> None:
    answer = client.post(path, data=body, headers=signed(backend))
    assert answer.status_code == 400
    assert answer.json["error"].startswith("got ")  # type: ignore[index]


@pytest.mark.parametrize("number", [LARGEST, -1, 0, 10**30, True, 1.5, None, "1", [1]])
def test_ids_that_no_database_holds_are_refused(
    client: FlaskClient, backend: Backend, number: object
) -> None:
    event = {"action": "ANNOTATION_CREATED", "annotation": {"id": number}}
    assert client.post("/webhook", json=event, headers=signed(backend)).status_code == 400
    body = {"project": "7.1", "tasks": [{"id": number}]}
    assert client.post("/predict", json=body, headers=signed(backend)).status_code == 400


def test_what_is_odd_about_an_event_does_not_reach_the_inbox(client: FlaskClient, backend: Backend) -> None:
    stamps = ["\0", "\ud800", "x" * 100_000, {"a": [1] * 1000}, "2026-01-05\n"]
    for number, stamp in enumerate(stamps, start=50_001):
        event = {"action": "ANNOTATION_CREATED", "annotation": {"id": number, "updated_at": stamp}}
        assert client.post("/webhook", json=event, headers=signed(backend)).status_code == 201
    with backend.container.database.read() as uow:
        keys = [event.key for event in uow.inbox.pending() if event.annotation_ids[0] > 50_000]
    assert len(keys) == len(stamps)
    assert all(key.isascii() and key.isprintable() and len(key) < 120 for key in keys)


@pytest.mark.parametrize("path", ["/webhook", "/setup", "/versions"])
def test_a_body_beyond_its_endpoints_limit_is_refused(backend: Backend, path: str) -> None:
    content = b" " * (BODY_BYTES[path[1:]] + 1)
    assert backend.client.post(path, content=content, auth=backend.auth).status_code == 413
    assert backend.client.post(path, content=content).status_code == 401, "nobody reads a stranger's body"


def test_connections_that_say_nothing_are_closed_and_others_are_answered(settings: Settings) -> None:
    with serve(settings) as backend:
        app, limits = create_app(backend.container, backend.champions), replace(LIMITS, idle_seconds=1)
        server = listen(app, "127.0.0.1", 0, limits)
        threading.Thread(target=_run, args=(server,), daemon=True).start()
        port = server.effective_port
        silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(60)]
        for each in silent:
            each.sendall(b"POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhalf")
        assert raw(port, b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").startswith(
            b"HTTP/1.1 200"
        )
        for each in silent:
            each.settimeout(20)
            assert each.recv(1 << 16) == b"", "closed by the server"
            each.close()
        server.close()


MALFORMED = [
    b"\r\n\r\n",
    b"GET\r\n\r\n",
    b"\x00\xff\xfe\x00" * 500 + b"\r\n\r\n",
    b"GET /versions HTTP/9.9\r\n\r\n",
    b"GET " + b"/" * 40_000 + b" HTTP/1.1\r\n\r\n",
    b"GET /health HTTP/1.1\r\n" + b"X: y\r\n" * 10_000 + b"\r\n",
    b"GET /health HTTP/1.1\r\nX\0Y: z\r\n\r\n",
    b"POST /webhook HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    b"POST /webhook HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
    b"POST /webhook HTTP/1.1\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\n12345",
    b"POST /webhook HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
    b"POST /webhook HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n\r\n",
    b"POST /webhook HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
    b"GET http://169.254.169.254/latest HTTP/1.1\r\nHost: x\r\n\r\n",
    b"CONNECT example.org:443 HTTP/1.1\r\n\r\n",
    b"GET /%00%ff%2e%2e%2f HTTP/1.1\r\nHost: x\r\n\r\n",
    json.dumps({"action": "ANNOTATION_CREATED"}).encode(),
]


@pytest.mark.parametrize("request_bytes", MALFORMED, ids=range(len(MALFORMED)))
def test_malformed_http_gets_a_refusal_and_harms_nobody(backend: Backend, request_bytes: bytes) -> None:
    port = urlsplit(str(backend.client.base_url)).port or 0
    answer = raw(port, request_bytes)
    assert answer == b"" or answer.split()[1] in (b"400", b"401", b"413", b"414", b"431", b"501"), answer[
        :300
    ]
    assert b"Traceback" not in answer
    assert backend.client.get("/health").status_code == 200


def raw(port: int, request: bytes) -> bytes:
    """What the server says to these bytes until it closes, or nothing when it waits for more."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        with suppress(OSError):
            connection.sendall(request)
        with suppress(OSError):
            connection.shutdown(socket.SHUT_WR)
        found = b""
        until = time.monotonic() + 5
        with suppress(OSError):
            while (part := connection.recv(1 << 16)) and time.monotonic() < until:
                found += part
        return found


def _run(server: object) -> None:
    with suppress(OSError):
        server.run()  # type: ignore[attr-defined]
