"""Who runs: a process holds a locked file for as long as it lives, so neither a crash nor a reboot leaves a
false trace.

The lock survives `exec` (the descriptor is inheritable), is let go by the kernel when the process ends,
however it ends, and the file names the process; a bare pid file could name a stranger after a reboot.
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from adapters.owners import holder
from loop.errors import Conflict

__all__ = ["end_holder", "exclusive", "holder", "try_hold"]

POLL_SECONDS = 0.05
PID_WIDTH = 20


def try_hold(path: Path) -> int | None:
    """Lock the file for this process, write its id, and return the descriptor; None when another process
    holds it.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        os.close(handle)
        if exc.errno in (errno.EAGAIN, errno.EACCES):
            return None
        raise
    os.pwrite(handle, f"{os.getpid():<{PID_WIDTH}}\n".encode(), 0)  # in place: a full disk takes it too
    return handle


def end_holder(path: Path, seconds: float) -> bool:
    """Ask the holder to end, and after `seconds` end it with its process group; False when nobody held the
    file.
    """
    pid = holder(path)
    if pid is None:
        return False
    for number, patience in ((signal.SIGTERM, seconds), (signal.SIGKILL, 5.0)):
        _send(pid, number)
        if _is_let_go(path, patience):
            return True
    raise Conflict(f"process {pid} that does not end", "it gone", f"end it by hand: kill -9 {pid}")


@contextmanager
def exclusive(path: Path, seconds: float) -> Iterator[None]:
    """Hold the file for the block. Raises Conflict when another process keeps it for `seconds`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    until = time.monotonic() + seconds
    while (handle := try_hold(path)) is None:
        if time.monotonic() > until:
            raise Conflict(f"another start or stop ({holder(path)})", "it finished", "wait and try again")
        time.sleep(POLL_SECONDS)
    try:
        yield
    finally:
        os.close(handle)


def _send(pid: int, number: signal.Signals) -> None:
    try:
        if number == signal.SIGKILL and os.getpgid(pid) == pid:
            os.killpg(pid, number)  # a service leads a group of its own: what it started ends with it
        else:
            os.kill(pid, number)
    except ProcessLookupError:
        pass


def _is_let_go(path: Path, seconds: float) -> bool:
    until = time.monotonic() + seconds
    while holder(path) is not None:
        if time.monotonic() > until:
            return False
        time.sleep(POLL_SECONDS)
    return True
