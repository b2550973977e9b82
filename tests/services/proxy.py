"""A TCP proxy that can be told to fail: refuse, hang, or cut an answer in its middle."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum

CUT_BYTES = 40
"""How much of each answer passes before it is cut: less than its headers."""
HANG_SECONDS = 0.5


class Mode(StrEnum):
    PASS = "pass"
    REFUSE = "refuse"
    HANG = "hang"
    CUT = "cut"


class Proxy:
    """Passes connections on to a port of this machine; `mode` is how the next ones fare. One request a
    connection: an answer ends with it.
    """

    def __init__(self, port: int) -> None:
        self.mode = Mode.PASS
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def fail(self, mode: Mode) -> None:
        """From now on; connections that are kept open fail too."""
        self.mode = mode
        opened, self._open = self._open, []
        for connection in opened:
            _shut(connection)

    def close(self) -> None:
        self._listener.close()
        self.fail(Mode.REFUSE)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client, self.mode), daemon=True).start()

    def _serve(self, client: socket.socket, mode: Mode) -> None:
        if mode in (Mode.REFUSE, Mode.HANG):
            time.sleep(HANG_SECONDS if mode is Mode.HANG else 0)
            return _shut(client)
        server = socket.create_connection(("127.0.0.1", self._port))
        self._open += [client, server]
        threading.Thread(target=_pump, args=(client, server), daemon=True).start()
        return _pump(server, client, CUT_BYTES if mode is Mode.CUT else None)


def _pump(source: socket.socket, target: socket.socket, limit: int | None = None) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data[:limit])
            if limit is not None:
                break
    _shut(target)
    _shut(source)


def _shut(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()


@contextmanager
def running_proxy(port: int) -> Iterator[Proxy]:
    """Before the service at `port`, until the end of the block."""
    proxy = Proxy(port)
    try:
        yield proxy
    finally:
        proxy.close()
