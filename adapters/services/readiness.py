"""Whether each service does its work, asked of the service itself: a running process proves little."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby

import httpx

from adapters.queue import CeleryQueue
from adapters.services.control import ServiceStatus, has_port, log_path, restart, status
from adapters.services.programs import BACKEND, BEAT, LABEL_STUDIO, REDIS, WORKER_LIGHT, WORKER_TRAIN, ports
from adapters.settings import Settings
from loop.errors import Unavailable

LOOK_SECONDS = 0.25
TAIL_LINES = 12
SETTLED_SECONDS = 240.0
"""After so long a service that runs should answer; a first start of Label Studio may take minutes."""
SILENT_SECONDS = 10.0
"""A settled service that is silent for so long is started again: one that answers late gets its chance."""
RESTARTS_BORNE = 3
"""A service that ends so often while it is waited for will go on doing so."""


@dataclass(frozen=True)
class Readiness:
    """One look at one service: `is_ready` when it answered as it should."""

    service: str
    is_ready: bool


def look(settings: Settings) -> list[Readiness]:
    """Ask every service of this home once; takes a second or two when some do not answer."""
    queue = CeleryQueue(settings)
    workers: set[str] = set()
    listening = {port.service for port in ports(settings) if has_port(settings, port)}
    probes: dict[str, Callable[[], bool]] = {
        REDIS: queue.is_up,
        LABEL_STUDIO: lambda: (
            LABEL_STUDIO in listening and _is_healthy(f"{settings.effective_label_studio_url}/health/")
        ),
        BACKEND: lambda: BACKEND in listening and _is_healthy(f"{settings.effective_backend_url}/health"),
        WORKER_LIGHT: lambda: WORKER_LIGHT in workers,
        WORKER_TRAIN: lambda: WORKER_TRAIN in workers,
        BEAT: lambda: True,  # has nothing to be asked; the supervisor sees that it stays up
    }
    states = status(settings)
    running = {each.name for each in states if each.state == "running"}
    expected = len(running & {WORKER_LIGHT, WORKER_TRAIN})
    if expected:
        workers |= queue.workers(limit=expected)
    found = [Readiness(each.name, each.name in running and probes[each.name]()) for each in states]
    queue.close()
    return found


class _Wait:
    """What one wait has seen of its services."""

    def __init__(self) -> None:
        self.pids: dict[str, set[int]] = defaultdict(set)
        self.restarted: set[str] = set()
        self._silent: tuple[str, float] = "", 0.0

    def silent_service(self, looks: list[Readiness], states: list[ServiceStatus]) -> str | None:
        """A settled service that has been the first of the silent ones for long: what comes after it may be
        silent for its sake.
        """
        first = next((each.service for each in looks if not each.is_ready), "")
        state = next((each for each in states if each.name == first), None)
        if state is None or state.state != "running" or state.seconds < SETTLED_SECONDS:
            first = ""
        if first != self._silent[0]:
            self._silent = first, time.monotonic()
        is_long = time.monotonic() - self._silent[1] >= SILENT_SECONDS
        return first if first and is_long and first not in self.restarted else None


def wait_ready(
    settings: Settings,
    timeout: float = 240.0,
    on_look: Callable[[list[Readiness]], None] = lambda _: None,
    on_restart: Callable[[str], None] = lambda _: None,
) -> None:
    """Return once every service answers. Raises Unavailable when one fails for good or ends again and again
    (with the end of its log), when they are stopped meanwhile, or when the time is over; `on_look` hears of
    each look.

    A service that has run for long and answers nothing is started again, once; `on_restart` hears of it.
    """
    until = time.monotonic() + timeout
    seen = _Wait()
    while True:
        looks = look(settings)
        on_look(looks)
        waiting = [each.service for each in looks if not each.is_ready]
        if not waiting:
            return
        states = status(settings)
        for each in states:
            seen.pids[each.name] |= {each.pid} if each.pid else set()
            if each.state == "stopped":  # no service is in that state unless somebody asked for it
                raise _stopped()
            if each.state == "failed" or len(seen.pids[each.name]) > RESTARTS_BORNE:
                raise _gone(settings, each)
        if silent := seen.silent_service(looks, states):
            seen.restarted.add(silent)
            on_restart(silent)
            restart(settings, silent)
        if time.monotonic() > until:
            raise Unavailable(
                f"no answer from {', '.join(waiting)} after {timeout:.0f} s",
                "all services up",
                f"read {log_path(settings, waiting[0])}",
            )
        time.sleep(LOOK_SECONDS)


def _stopped() -> Unavailable:
    return Unavailable(
        "services that were stopped while they were waited for, as by ./sonoloop down",
        "all services up",
        "start them again by ./sonoloop up",
    )


def _gone(settings: Settings, service: ServiceStatus) -> Unavailable:
    path = log_path(settings, service.name)
    lines = path.read_text(errors="replace").splitlines() if path.exists() else []
    tail = [line for line, _ in groupby(lines)][-TAIL_LINES:]  # each try may say the same
    end = "\n".join(tail) or "an empty log"
    return Unavailable(
        f"{service.name} {service.state} {service.detail}".strip(), "it running", f"see {path}:\n{end}"
    )


def _is_healthy(url: str) -> bool:
    try:
        answer = httpx.get(url, timeout=2.0, trust_env=False)
        return answer.status_code == 200 and answer.json().get("status") == "UP"
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, RecursionError, AttributeError):
        return False
