"""Garbage sent to the real app and to the real server: a refusal, never a crash, never a hang."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import strategies as st

from adapters.label_studio.provision import SECRET_HEADER
from adapters.settings import Settings
from ml_backend.app import create_app
from tests.garbage import calls, events, json_values, run
from tests.integration.ml_backend.conftest import Backend, add_champion, serve
from tests.integration.ml_backend.test_guard import raw

pytestmark = pytest.mark.services
PATHS = ("/webhook", "/predict", "/setup", "/versions")
SOCKETS = 25
"""Examples sent over real sockets in the default suite."""

bodies = st.binary(max_size=120) | (events | calls | json_values).map(
    lambda value: json.dumps(value).encode()
)
header_values = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=40)
valid = (
    b"POST /webhook?a=b HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    b"Authorization: Basic eDp5\r\nContent-Length: 2\r\n\r\n{}"
)
changes = st.lists(st.tuples(st.integers(0, len(valid) - 1), st.integers(0, 255)), min_size=1, max_size=6)


@pytest.fixture(scope="module")
def backend(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    with serve(settings) as running:
        add_champion(running.container, tmp_path_factory.mktemp("weights"), seed=5)
        running.champions.look()
        yield running


def fuzz_app(backend: Backend, is_long: bool) -> None:
    client = create_app(backend.container, backend.champions).test_client()
    account = base64.b64encode(":".join(backend.auth).encode()).decode()

    def check(drawn: tuple[str, str, bytes, str, dict[str, str]]) -> None:
        path, method, body, query, headers = drawn
        sent = {"Authorization": f"Basic {account}", **headers}
        answer = client.open(path, method=method, data=body, query_string=query, headers=sent)
        assert answer.status_code < 500, answer.text
        assert "Traceback" not in answer.text

    headers = st.dictionaries(
        st.sampled_from(["Content-Type", "X-Forwarded-For", SECRET_HEADER, "Accept", "Content-Encoding"]),
        header_values,
        max_size=3,
    )
    methods = st.sampled_from(["POST", "POST", "POST", "GET", "PUT", "OPTIONS", "HEAD"])
    run(check, st.tuples(st.sampled_from(PATHS), methods, bodies, st.text(max_size=20), headers), is_long)


def fuzz_access(backend: Backend, is_long: bool) -> None:
    app = create_app(backend.container, backend.champions)
    count = 0

    def check(given: str) -> None:
        nonlocal count
        count += 1
        address = {"REMOTE_ADDR": f"10.0.{count // 250}.{count % 250}"}
        for name in ("Authorization", SECRET_HEADER):
            answer = app.test_client().post("/webhook", headers={name: given}, environ_base=address)
            assert answer.status_code == 401

    run(check, header_values | header_values.map("Basic ".__add__), is_long)


def fuzz_sockets(backend: Backend, is_long: bool) -> None:
    port = urlsplit(str(backend.client.base_url)).port or 0

    def changed(places: list[tuple[int, int]]) -> bytes:
        data = bytearray(valid)
        for place, value in places:
            data[place] = value
        return bytes(data)

    def check(request: bytes) -> None:
        answer = raw(port, request)
        status = int(answer.split()[1]) if answer else 400
        assert status < 500 or status == 501, answer[:200]
        assert b"Traceback" not in answer

    run(check, changes.map(changed) | st.binary(max_size=300), is_long, few=SOCKETS)
    assert backend.client.get("/health").status_code == 200


FUZZERS: dict[str, Any] = {"app": fuzz_app, "access": fuzz_access, "sockets": fuzz_sockets}


@pytest.mark.parametrize("name", FUZZERS)
def test_garbage_is_refused(backend: Backend, name: str) -> None:
    FUZZERS[name](backend, is_long=False)


@pytest.mark.full
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", FUZZERS)
def test_much_garbage_is_refused(backend: Backend, name: str) -> None:
    FUZZERS[name](backend, is_long=True)
