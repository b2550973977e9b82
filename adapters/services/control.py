"""Start, stop and look at the services of one home; each call may be repeated, or run beside another."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from adapters.environment import process_environment
from adapters.locks import end_holder, exclusive, holder
from adapters.owners import is_held_by
from adapters.services.configuration import expansions, render, settings_environment
from adapters.services.paths import Paths
from adapters.services.ports import Port, check_ports
from adapters.services.programs import PROJECT_ROOT, STOP_SECONDS, ports, service_names
from adapters.services.supervisor import Supervisor
from adapters.settings import Settings
from loop.errors import NotFound, Unavailable

OTHER_START_SECONDS = 90.0
SUPERVISOR_START_SECONDS = 15.0
SUPERVISOR_STOP_SECONDS = 90.0
UNSUPERVISED = "runs without an answering supervisor; ./sonoloop up replaces it"


@dataclass(frozen=True)
class Started:
    """What a start found: `is_new` False when the services ran already, `is_changed` when they run with a
    different set of programs than these settings ask for (stop them first, then start again).
    """

    is_new: bool
    is_changed: bool = False


@dataclass(frozen=True)
class ServiceStatus:
    """One service: `state` is running, starting, stopping, stopped or failed; `seconds` since it began (0:
    not known); `detail` says why it failed, or that nobody watches it.
    """

    name: str
    state: str
    pid: int | None = None
    seconds: float = 0.0
    detail: str = ""


STATES = {
    "RUNNING": "running",
    "STARTING": "starting",
    "BACKOFF": "starting",
    "STOPPING": "stopping",
    "STOPPED": "stopped",
    "EXITED": "starting",
    "FATAL": "failed",
    "UNKNOWN": "failed",
}


def start(settings: Settings) -> Started:
    """Start all services in the background, in a session of their own; does not wait until they answer.

    Running ones are left alone, failed ones started again, survivors of a killed supervisor replaced. Raises
    BadRequest for a busy port, Conflict while another start or stop takes too long, Unavailable when the
    supervisor does not come up.
    """
    paths = Paths(settings)
    paths.make_folders()
    with exclusive(paths.start_lock, OTHER_START_SECONDS):
        supervisor = Supervisor(paths.socket)
        text = render(settings)
        if supervisor.is_up():
            supervisor.start_stopped()
            return Started(is_new=False, is_changed=paths.configuration.read_text() != text)
        _end_leftovers(paths)
        check_ports(ports(settings))
        _write(paths.configuration, text)
        _start_supervisor(settings, paths, supervisor)
    return Started(is_new=True)


def stop(settings: Settings) -> bool:
    """Stop all services, each with its own time to end, and wait until they are gone; False: none ran."""
    paths = Paths(settings)
    if not paths.run.exists():
        return False
    with exclusive(paths.start_lock, OTHER_START_SECONDS):
        was_up = holder(paths.supervisor_lock) is not None
        if was_up:
            _shut_down(paths)
        return _end_leftovers(paths) or was_up


def restart(settings: Settings, name: str) -> None:
    """End one running service and start it again. Raises Unavailable, also where it ended meanwhile."""
    paths = Paths(settings)
    with exclusive(paths.start_lock, OTHER_START_SECONDS):
        Supervisor(paths.socket).restart(name)


def has_port(settings: Settings, port: Port) -> bool:
    """Whether the service that the port is for listens on it, started by a supervisor of this home or left
    behind by one.
    """
    pid = holder(Paths(settings).lock(port.service))
    return pid is not None and is_held_by(pid, port.number)


def status(settings: Settings) -> list[ServiceStatus]:
    """Every service of this home in the order of starting; those that outlived their supervisor run still."""
    paths = Paths(settings)
    try:
        states = {state["name"]: state for state in Supervisor(paths.socket).states()}
    except Unavailable:
        return [_status_by_lock(name, paths) for name in service_names(settings)]
    return [_status(name, states.get(name)) for name in service_names(settings)]


def log_path(settings: Settings, service: str) -> Path:
    """The log of a service ("supervisord" included), which may not exist yet. Raises NotFound for an unknown
    name.
    """
    known = [*service_names(settings), "supervisord"]
    if service not in known:
        todo = "name one of them, or none for all"
        raise NotFound(f"service {service!r}", f"one of {', '.join(known)}", todo)
    return Paths(settings).log(service)


def _status(name: str, state: dict[str, object] | None) -> ServiceStatus:
    if state is None:
        return ServiceStatus(name, "stopped")
    running = state["statename"] == "RUNNING"
    seconds = float(str(state["now"])) - float(str(state["start"])) if running else 0.0
    pid = int(str(state["pid"])) or None
    return ServiceStatus(
        name, STATES[str(state["statename"])], pid, max(seconds, 0.0), str(state["spawnerr"])
    )


def _status_by_lock(name: str, paths: Paths) -> ServiceStatus:
    pid = holder(paths.lock(name))
    return ServiceStatus(name, "running", pid, detail=UNSUPERVISED) if pid else ServiceStatus(name, "stopped")


def _start_supervisor(settings: Settings, paths: Paths, supervisor: Supervisor) -> None:
    command = [sys.executable, "-m", "adapters.services.launch", "--supervisor"]
    environment = process_environment({**settings_environment(settings), **expansions()})
    with paths.log("supervisord").open("ab") as log:
        subprocess.run(
            command,
            cwd=PROJECT_ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C in the terminal and its closing do not reach the services
            check=False,
        )
    if not _wait_until(supervisor.is_up, SUPERVISOR_START_SECONDS):
        raise Unavailable(
            "no supervisor after the start", "a running one", f"read {paths.log('supervisord')}"
        )


def _shut_down(paths: Paths) -> None:
    try:
        Supervisor(paths.socket).shut_down()
    except Unavailable:
        pass  # it holds its lock but does not answer: it is ended by its process id next
    else:
        _wait_until(lambda: holder(paths.supervisor_lock) is None, SUPERVISOR_STOP_SECONDS)


def _end_leftovers(paths: Paths) -> bool:
    """End what survived a supervisor that was killed, the supervisor first, so that it restarts nothing."""
    ended = end_holder(paths.supervisor_lock, SUPERVISOR_STOP_SECONDS)
    for name, seconds in reversed(STOP_SECONDS.items()):
        ended |= end_holder(paths.lock(name), seconds)
    return ended


def _write(path: Path, text: str) -> None:
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_text(text)
    draft.chmod(0o600)
    draft.replace(path)


def _wait_until(is_done: Callable[[], bool], seconds: float) -> bool:
    until = time.monotonic() + seconds
    while not is_done():
        if time.monotonic() > until:
            return False
        time.sleep(0.1)
    return True
