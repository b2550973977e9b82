"""Callers who send or take a byte now and then: they are closed in time, and keep nobody out meanwhile."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from adapters.http_server import Limits, listen
from adapters.metrics import exposition
from adapters.metrics.instruments import new_registry
from ml_backend.server import LIMITS
from tests.integration.ml_backend.conftest import Backend
from tests.machine import free_port

pytestmark = pytest.mark.services
HEADER = b"POST /webhook HTTP/1.1\r\nHost: x\r\nX-Slow: "
BODY = b"POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"
NOTHING = b"\r\n\r\n"
SHORT = Limits(threads=1, body_bytes=1 << 20, connections=20, idle_seconds=3600, request_seconds=1)
WAIT_SECONDS = 20.0
LARGE = 32 << 20


@contextmanager
def trickling(port: int, count: int, begin: bytes, then: bytes = b"a") -> Iterator[list[socket.socket]]:
    """Connections that have begun a request and go on with it bit by bit, until they are closed."""
    with ExitStack() as stack:
        opened = [socket.create_connection(("127.0.0.1", port), timeout=WAIT_SECONDS) for _ in range(count)]
        for each in opened:
            stack.enter_context(each)
            each.sendall(begin)
        is_over = threading.Event()
        thread = threading.Thread(target=trickle, args=(opened, then, is_over))
        thread.start()
        stack.callback(thread.join)
        stack.callback(is_over.set)
        yield opened


def trickle(connections: list[socket.socket], bit: bytes, is_over: threading.Event) -> None:
    while not is_over.wait(0.1):
        for each in connections:
            with suppress(OSError):
                each.send(bit)


@contextmanager
def serving(app: Callable[..., Any], limits: Limits) -> Iterator[Any]:
    server = listen(app, "127.0.0.1", 0, limits)
    threading.Thread(target=run, args=(server,), daemon=True).start()
    yield server
    server.close()


def run(server: Any) -> None:
    with suppress(OSError):
        server.run()


def hello(_: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    start_response("200 OK", [("Content-Length", "5")])
    return [b"hello"]


def is_closed(connection: socket.socket) -> bool:
    """Waits for the other side to close; False when it does not."""
    try:
        return connection.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:  # it was told so at once
        return True


@pytest.mark.parametrize("begin", [HEADER, BODY], ids=["header", "body"])
def test_more_trickling_connections_than_there_are_keep_nobody_out(backend: Backend, begin: bytes) -> None:
    port = urlsplit(str(backend.client.base_url)).port or 0
    with trickling(port, LIMITS.connections + 20, begin):
        for _ in range(3):
            answer = httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False, timeout=WAIT_SECONDS)
            assert answer.status_code == 200


def test_the_workers_figures_are_read_among_trickling_connections() -> None:
    port = free_port()
    exposition.serve(new_registry(), "127.0.0.1", port, "prometheus", "secret")
    with trickling(port, exposition.LIMITS.connections + 20, HEADER):
        url, auth = f"http://127.0.0.1:{port}/metrics", ("prometheus", "secret")
        assert httpx.get(url, auth=auth, trust_env=False, timeout=WAIT_SECONDS).status_code == 200


@pytest.mark.parametrize(
    ("begin", "then"),
    [(HEADER, b"a"), (BODY, b"a"), (NOTHING, NOTHING)],
    ids=["header", "body", "empty lines"],
)
def test_a_request_that_does_not_come_to_its_end_is_closed(begin: bytes, then: bytes) -> None:
    with (
        serving(hello, SHORT) as server,
        trickling(server.effective_port, 3, begin, then) as connections,
    ):
        assert [is_closed(each) for each in connections] == [True] * 3


def test_who_takes_an_answer_byte_by_byte_is_closed() -> None:
    def large(_: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        start_response("200 OK", [("Content-Length", str(LARGE))])
        return [b"x" * LARGE]

    with (
        serving(large, SHORT) as server,
        socket.create_connection(("127.0.0.1", server.effective_port)) as connection,
    ):
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        until = time.monotonic() + WAIT_SECONDS
        while connection.recv(1) and server.active_channels and time.monotonic() < until:
            time.sleep(0.05)
        assert not server.active_channels


def test_an_answer_may_take_longer_than_a_request_and_its_connection_lives_on() -> None:
    may_answer = threading.Event()

    def slow(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        may_answer.wait(WAIT_SECONDS)
        return hello(environ, start_response)

    with serving(slow, replace(SHORT, request_seconds=2)) as server:
        threading.Timer(3, may_answer.set).start()
        url = f"http://127.0.0.1:{server.effective_port}"
        with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
            first = client.get("/")
            (kept,) = server.active_channels.values()
            assert first.text == client.get("/").text == "hello"
            assert list(server.active_channels.values()) == [kept], "the same connection"
