"""No secret reaches a listener that is not the service of this home, whoever took its port and whenever."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from adapters.bootstrap import build
from adapters.label_studio.api import Api
from adapters.label_studio.client import LabelStudioClient
from adapters.label_studio.session import ReaderSession
from adapters.label_studio.users import ensure_reader, list_accounts
from adapters.locks import holder, try_hold
from adapters.owners import require_owner
from loop.errors import Unavailable
from loop.remote import NewPrediction
from tests.machine import wait_until
from tests.services.homes import make_settings
from tests.services.stand_in import StandIn, standing_in

HOLD = """
import os, sys
from pathlib import Path
from adapters.locks import try_hold
os.set_inheritable(try_hold(Path(sys.argv[1])), True)
os.execvp("sleep", ["sleep", "60"])
"""


class Stranger(StandIn):
    """Takes whatever comes, and answers as nobody expects."""

    heard: list[str] = []  # noqa: RUF012, emptied by the fixture
    body: bytes = b"{}"

    def answer(self) -> None:
        """Note all that was said."""
        self.heard.append(f"{self.headers}{self.given()!r}")
        self.say(200, self.body)


@pytest.fixture
def port() -> Iterator[int]:
    Stranger.heard.clear()
    Stranger.body = b"{}"
    with standing_in(Stranger) as url:
        yield urlsplit(url).port or 0


@contextmanager
def held_by_another(lock: Path) -> Iterator[None]:
    """The service of the home lives, but does not listen."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(lock)])
    try:
        wait_until(lambda: holder(lock) is not None, "the lock")
        yield
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("is_alive", [False, True], ids=["service stopped", "service alive"])
def test_nothing_is_sent_to_a_stranger_on_label_studios_port(
    port: int, is_alive: bool, tmp_path: Path
) -> None:
    settings = make_settings(tmp_path, label_studio_url="", label_studio_port=port)
    lock = settings.service_lock("label-studio" if is_alive else "another")
    with held_by_another(lock), closing(build(settings)) as container:
        for call in (
            lambda: container.label_studio_api.send("GET", "/api/projects/"),
            lambda: container.label_studio.set_score(1, 0.5),
            lambda: ensure_reader(container.label_studio_api, "a@b.org", "a-password"),
        ):
            with pytest.raises(Unavailable, match=f"another program on port {port}"):
                call()
    assert Stranger.heard == []


def test_the_service_of_the_home_is_spoken_to_until_it_lets_go_of_its_lock(port: int, tmp_path: Path) -> None:
    settings = make_settings(tmp_path, label_studio_url="", label_studio_port=port)
    lock = settings.service_lock("label-studio")
    lock.parent.mkdir(parents=True)
    handle = try_hold(lock)
    assert handle is not None
    with closing(build(settings)) as container:
        container.label_studio_api.send("GET", "/api/projects/", headers={"Connection": "close"})
        assert "label_studio_token" in Stranger.heard[0]
        os.close(handle)
        with pytest.raises(Unavailable):
            container.label_studio_api.send("GET", "/api/projects/")
    assert len(Stranger.heard) == 1


def test_a_log_in_asks_whose_the_port_is_too(port: int, tmp_path: Path) -> None:
    def guard() -> None:
        require_owner(tmp_path / "none.lock", port, "label-studio")

    with pytest.raises(Unavailable):
        ReaderSession.log_in(f"http://127.0.0.1:{port}", "a@b.org", "a-password", guard=guard)
    assert Stranger.heard == []


@pytest.mark.parametrize("body", [{}, [], "x", {"tasks": [{}]}, {"rows": 1}, [{}], {"task_ids": 3}, None])
def test_a_strangers_answer_is_an_unavailable_service(port: int, body: object) -> None:
    Stranger.body = json.dumps(body).encode()
    prediction = NewPrediction(task_id=1, model_version="v1", score=0.5, result=())
    with Api(f"http://127.0.0.1:{port}", "t", sleep=lambda _: None) as api:
        client = LabelStudioClient(api)
        for call in (
            lambda: list(client.tasks_changed_since(1, None)),
            lambda: client.task_ids(1),
            lambda: client.get_task(1),
            lambda: client.predictions(1, "v1"),
            lambda: client.import_tasks(1, [{"image": "x"}]),
            lambda: client.push_predictions(1, [prediction]),
            lambda: list_accounts(api) and None,
            lambda: ReaderSession(api),
        ):
            with suppress(Unavailable):  # and nothing else
                call()
