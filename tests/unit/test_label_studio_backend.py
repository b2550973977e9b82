"""Label Studio speaks to no stranger on the backend's port: our guard, in a process with its HTTP client."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from adapters.label_studio.inside.sonoloop_backend import LOCK, PORT
from adapters.label_studio.server import INSIDE, environment
from adapters.locks import try_hold
from tests.services.homes import make_settings
from tests.services.stand_in import StandIn, standing_in
from tests.unit.test_owners import held_by_another

pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="this system has no /proc")

CALL = """
import sys
from sonoloop_backend import guard_connections
guard_connections()
import requests
session = requests.Session()
session.trust_env = False
for word in sys.argv[2:]:
    try:
        print(session.post(sys.argv[1], data=word, auth=("label-studio", "secret"), timeout=20).status_code)
    except requests.ConnectionError as error:
        print("refused" if "another program" in str(error) else error)
"""


class Listener(StandIn):
    """Takes whatever comes."""

    heard: list[str] = []  # noqa: RUF012, emptied by the fixture

    def answer(self) -> None:
        """Note all that was said."""
        self.heard.append(f"{self.headers}{self.given()!r}")
        self.say(200, b"{}")


@pytest.fixture
def url() -> Iterator[str]:
    Listener.heard.clear()
    with standing_in(Listener) as address:
        yield address


def call(url: str, lock: Path | str, port: int | None) -> str:
    """What Label Studio's client gets; one home's lock and port are named to it."""
    own = {"PYTHONPATH": str(INSIDE), LOCK: str(lock), PORT: str(port or "")}
    done = subprocess.run(
        [sys.executable, "-c", CALL, f"{url}/webhook", "label"],
        env={**os.environ, **own},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_a_stranger_on_the_port_of_a_stopped_backend_hears_nothing(url: str, tmp_path: Path) -> None:
    lock = tmp_path / "backend.lock"
    assert call(url, lock, urlsplit(url).port) == "refused"
    lock.write_text(f"{os.getpid()}\n")  # that of one which ended: the listener has this number by now
    assert call(url, lock, urlsplit(url).port) == "refused"
    lock.write_text("no number")
    assert call(url, lock, urlsplit(url).port) == "refused"
    assert Listener.heard == []


def test_a_stranger_hears_nothing_while_the_backend_lives_and_does_not_listen(
    url: str, tmp_path: Path
) -> None:
    with held_by_another(tmp_path / "backend.lock"):
        assert call(url, tmp_path / "backend.lock", urlsplit(url).port) == "refused"
    assert Listener.heard == []


def test_the_backend_of_the_home_is_spoken_to_until_it_lets_go_of_its_lock(url: str, tmp_path: Path) -> None:
    lock = tmp_path / "home" / "backend.lock"
    lock.parent.mkdir()
    (tmp_path / "link").symlink_to(lock.parent)
    handle = try_hold(lock)
    assert handle is not None
    assert call(url, lock, urlsplit(url).port) == "200"
    assert call(url, tmp_path / "link" / lock.name, urlsplit(url).port) == "200"
    assert "label" in Listener.heard[0]
    os.close(handle)
    assert call(url, lock, urlsplit(url).port) == "refused"
    assert len(Listener.heard) == 2


def test_other_ports_and_homes_without_a_backend_of_their_own_are_as_ever(url: str, tmp_path: Path) -> None:
    assert call(url, tmp_path / "none", (urlsplit(url).port or 0) - 1) == "200"
    assert call(url, "", urlsplit(url).port) == "200"
    assert call(url, tmp_path / "none", None) == "200"


def test_label_studio_is_told_of_a_backend_of_this_home_alone(tmp_path: Path) -> None:
    own = environment(make_settings(tmp_path, backend_port=9191))
    assert own[PORT] == "9191"
    assert own[LOCK] == str(make_settings(tmp_path).service_lock("backend"))
    for elsewhere in ({"backend_url": "http://127.0.0.1:9191"}, {"services": "elsewhere"}):
        assert PORT not in environment(make_settings(tmp_path, **elsewhere))
