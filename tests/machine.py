"""What tests ask of the machine that they run on: a free port, whether a process lives, patience, and that
something is installed.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

from adapters.label_studio import server
from cli.system_parts import is_ci

LOOK_SECONDS = 0.1


def free_port() -> int:
    """One of the loopback address that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def is_alive(pid: int) -> bool:
    """A zombie, whose parent has not asked for its end yet, is dead."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def wait_until(is_so: Callable[[], bool], what: str, seconds: float = 60.0) -> float:
    """Return the seconds it took until `is_so`; fails when there were not enough of them."""
    began = time.monotonic()
    while not is_so():
        assert time.monotonic() < began + seconds, f"{what}: not within {seconds:.0f} s"
        time.sleep(LOOK_SECONDS)
    return time.monotonic() - began


def give_up(reason: str) -> NoReturn:
    """Skip a test that cannot run here; on a build server fail it."""
    (pytest.fail if is_ci() else pytest.skip)(reason)


def demand_label_studio() -> None:
    """Give up where Label Studio's environment is missing, which the launcher makes."""
    if not server.PYTHON.exists():
        give_up("Label Studio: not installed; run `./sonoloop test`, which makes its environment")
