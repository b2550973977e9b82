"""Whose a port is: no secret is sent to a listener that is not the service of this home.

Another user of the machine may take a port in the moment in which its service is away. A service holds a
locked file that names its process, and that process must be the one that listens.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import psutil

from loop.errors import Unavailable

CONNECTED = "connection.connect_tcp.complete"

Guard = Callable[[], None]
"""Raises Unavailable where the listener is a stranger."""


def guarding(guard: Guard | None) -> dict[str, object]:
    """The extensions of a request with httpx that ask the guard once a new connection stands, before anything
    is sent over it.
    """

    def trace(event: str, _info: object) -> None:
        if guard is not None and event == CONNECTED:
            guard()

    return {"trace": trace}


def require_owner(lock: Path, number: int, service: str) -> None:
    """Raises Unavailable unless the process that holds the lock listens on the port."""
    pid = holder(lock)
    if pid is None or not is_held_by(pid, number):
        raise Unavailable(
            f"another program on port {number}",
            f"{service} of this home",
            "nothing was sent to it; ./sonoloop doctor names it",
        )


def is_held_by(pid: int, number: int) -> bool:
    """Whether this process, which must be of this user, listens on the port; False for one that is gone."""
    try:
        connections = psutil.Process(pid).net_connections("tcp")
    except psutil.Error:
        return False
    listening = (each.laddr for each in connections if each.status == psutil.CONN_LISTEN)
    return any(address.port == number for address in listening)


def holder(path: Path) -> int | None:
    """The id of the process that holds the file; None when nobody does."""
    if not path.exists():
        return None
    handle = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        text = os.pread(handle, 32, 0).decode().strip()
        return int(text) if text.isdigit() else None
    finally:
        os.close(handle)
    return None
