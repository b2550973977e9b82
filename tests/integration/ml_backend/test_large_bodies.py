"""Bodies of strangers: refused by the head alone, before anything of them is taken."""

from __future__ import annotations

import socket
from base64 import b64encode
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from adapters.throttle import REFUSALS
from ml_backend.access import BODY_BYTES, STRANGERS_BYTES
from tests.integration.ml_backend.conftest import Backend

pytestmark = pytest.mark.services
LARGE = 32 << 20
WAIT_SECONDS = 20.0
CHUNK = b"10000\r\n" + b"x" * (1 << 16) + b"\r\n"


@pytest.fixture
def connection(backend: Backend) -> Iterator[socket.socket]:
    address = ("127.0.0.1", urlsplit(str(backend.client.base_url)).port or 0)
    with socket.create_connection(address, timeout=WAIT_SECONDS) as opened:
        yield opened


def head(path: str, *headers: str) -> bytes:
    return "\r\n".join([f"POST {path} HTTP/1.1", "Host: x", *headers, "", ""]).encode()


def basic(backend: Backend) -> str:
    return f"Authorization: Basic {b64encode(':'.join(backend.auth).encode()).decode()}"


def answers(connection: socket.socket) -> bytes:
    """All that is said until the other side closes; what it never took may cut the end off."""
    said = b""
    with suppress(ConnectionError):
        while part := connection.recv(1 << 16):
            said += part
    return said


@pytest.mark.parametrize("path", ["/predict", "/webhook", "/nothing"])
def test_a_stranger_is_answered_before_the_body_is_sent(connection: socket.socket, path: str) -> None:
    connection.sendall(head(path, f"Content-Length: {LARGE}"))
    assert answers(connection).startswith(b"HTTP/1.1 401 ")


def test_a_stranger_who_waits_to_be_asked_for_the_body_is_not_asked(connection: socket.socket) -> None:
    connection.sendall(head("/predict", f"Content-Length: {LARGE}", "Expect: 100-continue"))
    assert answers(connection).startswith(b"HTTP/1.1 401 ")


def test_a_body_of_unknown_length_is_left_where_it_grows_large(connection: socket.socket) -> None:
    connection.sendall(head("/predict", "Transfer-Encoding: chunked") + CHUNK * 2)
    assert answers(connection).startswith(b"HTTP/1.1 401 ")


def test_what_was_left_is_not_taken_for_a_request(connection: socket.socket) -> None:
    hidden = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
    connection.sendall(head("/predict", f"Content-Length: {LARGE}") + hidden)
    assert answers(connection).count(b"HTTP/1.1 ") == 1


def test_nothing_of_a_strangers_body_reaches_the_disk(backend: Backend, connection: socket.socket) -> None:
    before = temporary_files()
    connection.sendall(head("/predict", f"Content-Length: {LARGE}"))
    with suppress(ConnectionError):
        connection.sendall(b"x" * (LARGE // 2))
    assert temporary_files() <= before
    assert backend.client.get("/health").status_code == 200


def test_what_label_studio_sends_with_a_wrong_password_is_answered_in_full(backend: Backend) -> None:
    answer = backend.client.post("/setup", content=b" " * STRANGERS_BYTES, auth=("label-studio", "wrong"))
    assert (answer.status_code, "error" in answer.json()) == (401, True)


def test_label_studio_may_send_as_much_as_an_endpoint_reads(
    backend: Backend, connection: socket.socket
) -> None:
    assert backend.client.post("/predict", content=b" " * LARGE, auth=backend.auth).status_code == 400
    answer = backend.client.post("/webhook", content=b" " * (8 << 20), headers=backend.secret)
    assert answer.status_code == 400, "it is no JSON"
    connection.sendall(head("/setup", f"Content-Length: {BODY_BYTES['setup'] + 1}", basic(backend)))
    assert answers(connection).startswith(b"HTTP/1.1 413 ")


def test_one_who_is_not_heard_cannot_tell_a_right_guess_by_what_is_read(
    backend: Backend, connection: socket.socket
) -> None:
    for _ in range(REFUSALS):
        backend.client.get("/versions")
    connection.sendall(head("/predict", f"Content-Length: {LARGE}", basic(backend)))
    assert answers(connection).startswith(b"HTTP/1.1 429 ")


def temporary_files() -> set[str]:
    """The files of this process that have no name any more, as waitress keeps large bodies."""
    found = set()
    for each in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            found.add(str(each.readlink()))
    return {name for name in found if name.endswith("(deleted)")}
