"""Whose the backend's port is, asked by Label Studio before it sends a password or a label there.

Another user of the machine may take the port while the backend is away. The backend holds a file that names
its process; that process must have the file open and listen on the port. Both stand in /proc, where there is
one: without it, or where no backend of this home was named, every connection is made as ever.
"""

import errno
import os
import re
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

LOCK, PORT = "BACKEND_LOCK", "BACKEND_PORT_OF_THIS_HOME"
LISTENING = "0A"


def guard_connections() -> None:
    """From here on this process speaks to no stranger on the backend's port: such a connection is refused."""
    lock, port = os.environ.get(LOCK, ""), os.environ.get(PORT, "")
    if not lock or not port.isdigit() or not Path("/proc/self/fd").is_dir():
        return
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        connect(self, address)
        if is_to_own(self, int(port)) and not listens(Path(lock), int(port)):
            self.close()
            said = f"another program on port {port}; nothing was sent to it"
            raise ConnectionRefusedError(errno.ECONNREFUSED, said)

    socket.socket.connect = guarded  # type: ignore[assignment, method-assign] # every client ends there


def is_to_own(made: socket.socket, port: int) -> bool:
    """Whether a connection leads to this port of this machine, by whatever address."""
    if made.family not in (socket.AF_INET, socket.AF_INET6):
        return False
    there = made.getpeername()
    return bool(there[1] == port and there[0] == made.getsockname()[0])


def listens(lock: Path, port: int) -> bool:
    """Whether the process that the file names holds it open and listens on the port; False for one of another
    user, whose files nobody else sees.
    """
    try:
        process = Path("/proc", str(int(lock.read_text().strip())))
        opened = set(_opened(process))
        is_held = str(lock.resolve()) in opened
        return is_held and any(f"socket:[{inode}]" in opened for inode in _listeners(process, port))
    except (OSError, ValueError):
        return False


def _opened(process: Path) -> Iterator[str]:
    for entry in (process / "fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            yield str(entry.readlink())


def _listeners(process: Path, port: int) -> Iterator[str]:
    """The numbers of the sockets that listen on a port where that process lives."""
    for table in (process / "net" / "tcp", process / "net" / "tcp6"):
        for fields in map(str.split, table.read_text().splitlines()[1:] if table.exists() else ()):
            if fields[3] == LISTENING and re.fullmatch(f"[0-9A-F]+:{port:04X}", fields[1]):
                yield fields[9]
