"""The services under their supervisor: two starts at once, every kind of death, and a clean end.

Label Studio has an address of its own here, so that only our processes run.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from adapters.environment import load_settings
from adapters.home_files import read_env_file
from adapters.locks import holder
from adapters.queue import CeleryQueue
from adapters.services import readiness
from adapters.services.configuration import settings_environment
from adapters.services.control import UNSUPERVISED, has_port, log_path, start, status, stop
from adapters.services.paths import Paths
from adapters.services.ports import is_free
from adapters.services.programs import PROJECT_ROOT, ports
from adapters.services.readiness import Readiness, look, wait_ready
from adapters.services.secrets import ensure_secrets
from adapters.settings import Settings
from cli.doctor.findings import State
from cli.doctor.installation import Installation
from cli.doctor.services import port_checks
from loop.errors import BadRequest, NotFound, Unavailable
from tests.machine import free_port, wait_until

pytestmark = [pytest.mark.services, pytest.mark.slow]
SERVICES = ["redis", "backend", "worker-light", "worker-train", "beat"]


def make_settings(home: Path, port: int) -> Settings:
    ensure_secrets(home)
    return load_settings(home, label_studio_url="http://127.0.0.1:9", backend_port=port, sweep_seconds=1)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    made = make_settings(tmp_path_factory.mktemp("services") / "a home", free_port())
    with ThreadPoolExecutor(2) as pool:
        started = sorted(each.is_new for each in pool.map(start, [made, made]))
    assert started == [False, True], "two starts at once must give one set of services"
    try:
        wait_ready(made, timeout=150)
        yield made
    finally:
        stop(made)


def pids(settings: Settings) -> dict[str, int | None]:
    return {name: holder(Paths(settings).lock(name)) for name in SERVICES}


def test_all_run_in_a_session_of_their_own_and_a_second_start_changes_nothing(settings: Settings) -> None:
    before = pids(settings)
    again = start(settings)
    assert (again.is_new, again.is_changed) == (False, False)
    assert pids(settings) == before
    assert [each.name for each in status(settings) if each.state == "running"] == SERVICES
    assert all(os.getsid(pid) != os.getsid(0) for pid in before.values() if pid)
    assert CeleryQueue(settings).workers() == {"worker-light", "worker-train"}


def test_other_settings_are_noticed(settings: Settings) -> None:
    assert start(make_settings(settings.root, free_port())).is_changed


def test_a_caller_with_another_temporary_folder_sees_the_same_services(
    settings: Settings, tmp_path: Path
) -> None:
    command = [sys.executable, "-P", "-m", "cli", "status", "--home", str(settings.root)]
    own = settings_environment(settings) | {"TMPDIR": str(tmp_path)}
    done = subprocess.run(
        command, cwd=PROJECT_ROOT, env={**os.environ, **own}, capture_output=True, text=True, check=False
    )
    assert all(f"{name} running" in done.stdout for name in SERVICES), done.stdout + done.stderr
    assert UNSUPERVISED not in done.stdout


def test_no_secret_stands_where_other_users_can_read_it(settings: Settings) -> None:
    secrets = [value for value in read_env_file(settings.root / "secrets.env").values() if value]
    commands = [Path(f"/proc/{pid}/cmdline").read_text() for pid in pids(settings).values()]
    seen = "\n".join([*commands, Paths(settings).configuration.read_text()])
    assert not any(secret in seen for secret in secrets)


def test_a_busy_port_is_named_before_anything_starts(settings: Settings, tmp_path: Path) -> None:
    other = make_settings(tmp_path / "other", settings.backend_port)
    with pytest.raises(BadRequest, match=f"port {settings.backend_port}.*--backend-port "):
        start(other)
    assert all(each.state == "stopped" for each in status(other))
    assert not stop(other)
    with pytest.raises(Unavailable, match="were stopped"):
        wait_ready(other, timeout=1)


def test_a_wait_that_a_stop_overtakes_says_so_and_blames_no_service(tmp_path: Path) -> None:
    other = make_settings(tmp_path / "other", free_port())
    assert start(other).is_new

    def overtake(_: list[Readiness]) -> None:
        stop(other)

    with pytest.raises(Unavailable, match=r"were stopped while .*\./sonoloop up") as caught:
        wait_ready(other, timeout=150, on_look=overtake)
    assert not [name for name in SERVICES if name in caught.value.message]


def test_a_killed_service_comes_back(settings: Settings) -> None:
    before = pids(settings)["redis"]
    assert before is not None
    os.kill(before, signal.SIGKILL)
    wait_until(lambda: pids(settings)["redis"] not in (None, before), "another Redis")
    wait_ready(settings, timeout=90)


def test_a_service_whose_port_was_taken_meanwhile_comes_back_once_it_is_free(settings: Settings) -> None:
    port = next(each for each in ports(settings) if each.service == "backend")
    before, supervisor = pids(settings)["backend"], holder(Paths(settings).supervisor_lock)
    assert before is not None
    assert supervisor is not None
    assert has_port(settings, port)
    with stopped(supervisor):
        os.kill(before, signal.SIGKILL)
        wait_until(lambda: is_free(port.host, port.number), "its end")
        taken = socket.create_server((port.host, port.number))
    with taken:
        wait_until(lambda: "in use by another program" in log_path(settings, "backend").read_text(), "a try")
        assert not has_port(settings, port)
        (check,) = port_checks(Installation(settings))
        finding = check.look(Installation(settings))
        assert (finding.state, f"(process {os.getpid()})" in finding.got) == (State.FAIL, True)
        with pytest.raises(Unavailable, match="backend ") as caught:
            wait_ready(settings, timeout=90)
        assert log_path(settings, "backend").read_text().count(caught.value.todo.splitlines()[-1]) > 2
        assert caught.value.todo.count("in use by another program") == 1
    wait_ready(settings, timeout=150)
    assert has_port(settings, port)


@pytest.mark.parametrize("name", ["redis", pytest.param("backend", marks=pytest.mark.full)])
def test_a_service_that_hangs_is_started_again_by_a_start(
    settings: Settings, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "SETTLED_SECONDS", 0.0)
    before, restarted = pids(settings), list[str]()
    hung = before[name]
    assert hung is not None
    os.kill(hung, signal.SIGSTOP)
    assert not start(settings).is_new
    wait_ready(settings, timeout=150, on_restart=restarted.append)
    assert restarted == [name]
    assert {each for each, pid in pids(settings).items() if pid != before[each]} == {name}


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """A process that does nothing for the block."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_services_that_survived_their_supervisor_are_replaced(settings: Settings) -> None:
    before = pids(settings)
    supervisor = holder(Paths(settings).supervisor_lock)
    assert supervisor is not None
    os.kill(supervisor, signal.SIGKILL)
    wait_until(lambda: holder(Paths(settings).supervisor_lock) is None, "the end of the supervisor")
    assert pids(settings) == before, "they outlive it"
    alone = status(settings)
    assert {each.name: each.pid for each in alone} == before
    assert {(each.state, each.detail) for each in alone} == {("running", UNSUPERVISED)}
    assert start(settings).is_new
    wait_ready(settings, timeout=150)
    after = pids(settings)
    assert all(after[name] not in (None, before[name]) for name in SERVICES)
    assert not any(Path(f"/proc/{pid}").exists() for pid in before.values())


def test_a_stop_ends_everything_and_leaves_the_logs(settings: Settings) -> None:
    assert stop(settings)
    assert set(pids(settings).values()) == {None}
    assert not any(each.is_ready for each in look(settings))
    assert not stop(settings), "nothing is left to stop"
    assert "backend_ready" in log_path(settings, "backend").read_text()
    with pytest.raises(NotFound, match="worker-light"):
        log_path(settings, "nothing")


def test_a_service_that_ends_again_and_again_is_told_with_the_end_of_its_log(tmp_path: Path) -> None:
    home = tmp_path / "home"
    ensure_secrets(home)
    kind = {"label_studio_url": "http://127.0.0.1:9", "database_url": "oracle://nowhere"}
    broken = load_settings(home, backend_port=free_port(), **kind)
    start(broken)
    try:
        with pytest.raises(Unavailable, match=r"(?s)see .*_refused.*sqlite:///path/to/file"):
            wait_ready(broken, timeout=150)
    finally:
        stop(broken)
