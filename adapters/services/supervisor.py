"""The running supervisor of one home, spoken to over its socket."""

from __future__ import annotations

import http.client
import xmlrpc.client  # over a socket that this user alone may open  # nosec B411
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from supervisor.xmlrpc import Faults, SupervisorTransport

from loop.errors import Unavailable

ANSWER_SECONDS = 10.0
SEEN_IN_ITS_STATE = {Faults.ALREADY_STARTED, Faults.SPAWN_ERROR, Faults.ABNORMAL_TERMINATION}


class Supervisor:
    """Calls to the supervisor behind one socket; each raises Unavailable when none answers."""

    def __init__(self, socket: Path) -> None:
        """Nothing is connected yet."""
        self._socket = socket

    def is_up(self) -> bool:
        """Whether a supervisor answers and is not on its way out."""
        try:
            with self._calls() as calls:
                return bool(calls.getState()["statename"] == "RUNNING")
        except Unavailable:
            return False

    def states(self) -> list[dict[str, Any]]:
        """One entry per program, in the order of starting: name, statename, pid, start, now, spawnerr."""
        with self._calls() as calls:
            return list(calls.getAllProcessInfo())

    def start_stopped(self) -> None:
        """Start every program that has given up or was stopped; the running ones are left alone."""
        with self._calls() as calls:
            for state in calls.getAllProcessInfo():
                if state["statename"] in ("STOPPED", "EXITED", "FATAL"):
                    _start(calls, state["name"])

    def restart(self, name: str) -> None:
        """End one program, by force when its time is over, and start it; returns once it has been started."""
        with self._calls() as calls:
            calls.stopProcess(name, True)
            _start(calls, name)

    def shut_down(self) -> None:
        """Ask it to stop every program and then itself; returns at once."""
        with self._calls() as calls:
            calls.shutdown()

    @contextmanager
    def _calls(self) -> Iterator[Any]:
        transport = SupervisorTransport(None, None, f"unix://{self._socket}")
        # supervisor's transport is written against the untyped base class
        proxy = xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport)
        try:
            yield proxy.supervisor
        except (OSError, http.client.HTTPException, xmlrpc.client.Error) as exc:
            raise Unavailable(
                f"no answer from the supervisor ({type(exc).__name__})",
                "running services",
                "run `sonoloop up`",
            ) from exc
        finally:
            transport.close()


def _start(calls: Any, name: str) -> None:
    """Start a program. That somebody else was faster is as good; one that ended at once keeps no other from
    its start, and its state tells of it.
    """
    try:
        calls.startProcess(name, False)
    except xmlrpc.client.Fault as fault:
        if fault.faultCode not in SEEN_IN_ITS_STATE:
            raise
