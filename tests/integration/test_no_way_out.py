"""Our clients speak to the Label Studio that was named and to nobody it, or the environment, points to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from adapters.label_studio.api import Api
from adapters.label_studio.client import LabelStudioClient
from adapters.label_studio.session import ReaderSession
from adapters.services.readiness import _is_healthy
from loop.errors import SonoloopError, Unavailable
from tests.services.stand_in import StandIn, standing_in

pytestmark = pytest.mark.services


class Listener:
    """A real HTTP server that answers everything alike and remembers what reached it."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes = b"{}") -> None:
        self.status, self.headers, self.body = status, headers, body
        self.reached: list[str] = []
        self.url = ""


@contextmanager
def listening(status: int, headers: dict[str, str] | None = None, body: bytes = b"{}") -> Iterator[Listener]:
    listener = Listener(status, headers or {}, body)

    class Handler(StandIn):
        def answer(self) -> None:
            listener.reached.append(f"{self.command} {self.path} {self.headers.get('Authorization')}")
            self.given()
            self.say(listener.status, listener.body, **listener.headers)

    with standing_in(Handler) as listener.url:
        yield listener


@pytest.fixture
def elsewhere() -> Iterator[Listener]:
    with listening(200, body=b'{"status": "UP", "id": 1, "tasks": []}') as listener:
        yield listener


def use_everything(url: str) -> None:
    """Each kind of call that our programs make, whatever comes of it."""
    with Api(url, "a-secret-token", sleep=lambda _: None) as api:
        client = LabelStudioClient(api)
        for call in (
            lambda: client.get_annotation(1),
            lambda: client.task_ids(1),
            lambda: client.import_tasks(1, [{"image": "x"}]),
            lambda: client.set_score(1, 0.5),
            lambda: api.delete("/api/annotations/1/"),
            lambda: ReaderSession(api).fetch("/data/local-files/?d=all/x.png"),
        ):
            with suppress(SonoloopError):
                call()
    with suppress(SonoloopError):
        ReaderSession.log_in(url, "a@b.org", "a-password")
    assert not _is_healthy(f"{url}/health")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_host_is_not_followed(elsewhere: Listener, status: int) -> None:
    with listening(status, {"Location": f"{elsewhere.url}/x"}) as label_studio:
        use_everything(label_studio.url)
        assert len(label_studio.reached) >= 7
    assert elsewhere.reached == []


def test_a_proxy_of_the_environment_hears_nothing(
    elsewhere: Listener, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, elsewhere.url)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login someone password else")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    with listening(500) as label_studio:
        use_everything(label_studio.url)
        assert len(label_studio.reached) >= 7
        assert not any("Basic" in each for each in label_studio.reached)
    assert elsewhere.reached == []


def test_an_image_that_a_task_places_elsewhere_is_not_fetched(elsewhere: Listener) -> None:
    port = elsewhere.url.rpartition(":")[2]
    addresses = [f"{elsewhere.url}/x.png", f"//127.0.0.1:{port}/x", f"HTTP://127.0.0.1:{port}/x", "ftp://h/x"]
    with (
        listening(200, body=b'{"id": 1}') as label_studio,
        Api(label_studio.url, "t", sleep=lambda _: None) as api,
    ):
        reader = ReaderSession(api)
        for address in [*addresses, f"{label_studio.url}@127.0.0.1:{port}/x", "file:///etc/passwd"]:
            with suppress(SonoloopError):
                reader.fetch(address)
    assert elsewhere.reached == []


def test_an_answer_nested_a_hundred_thousand_times_is_an_answer_that_cannot_be_read() -> None:
    with (
        listening(200, body=b"[" * 100_000 + b"]" * 100_000) as label_studio,
        Api(label_studio.url, "t", sleep=lambda _: None) as api,
        pytest.raises(Unavailable, match="not JSON"),
    ):
        api.get("/api/projects/")
