"""The HTTP server behind each port of ours: waitress, with limits on what strangers may make it hold."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from waitress.channel import HTTPChannel
from waitress.server import TcpWSGIServer, create_server
from waitress.task import ErrorTask, Task, WSGITask

from adapters.http_bodies import BodyLimit, BoundedRequest

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""Of every answer. Only programs call these servers. A browser that is sent here is told not to store the
answer, run scripts from it, show it in a frame or guess its type.
"""
HEADER_BYTES = 16 << 10
CLEANUP_SECONDS = 10
SPARE = 16
"""Waitress counts its listeners and what it is about to close among its connections."""


@dataclass(frozen=True)
class Limits:
    """`connections`: how many at once; `idle_seconds`: how long one may be silent; `request_seconds`: how
    long after it was opened, or last answered, its next request must be whole. An answer may take longer.
    """

    threads: int
    body_bytes: int
    connections: int
    idle_seconds: int = 30
    request_seconds: float = 60.0


def listen(
    app: Callable[..., Any], host: str, port: int, limits: Limits, limit_of: BodyLimit | None = None
) -> Any:
    """A waitress server on its port, not yet running; with `limit_of`, a request's head decides how large its
    body may be, up to the server's limit. Raises OSError for a port that is taken.
    """
    sockets: dict[int, Any] = {}
    server = create_server(
        app,
        map=sockets,
        host=host,
        port=port,
        threads=limits.threads,
        ident="sonoloop",
        max_request_body_size=limits.body_bytes,
        max_request_header_size=HEADER_BYTES,
        connection_limit=limits.connections + SPARE,
        channel_timeout=limits.idle_seconds,
        cleanup_interval=min(CLEANUP_SECONDS, limits.idle_seconds),
        expose_tracebacks=False,
    )
    for listener in sockets.values():  # a name may stand for two addresses
        if isinstance(listener, TcpWSGIServer):
            listener.channel_class = partial(BoundedChannel, limits, limit_of)
    return server


class _CarefulTask(Task):  # type: ignore[misc] # waitress ships no types
    """An answer with the headers that every answer has; what an application says itself stays as it is."""

    response_headers: list[tuple[str, str]]

    def build_response_header(self) -> bytes:
        given = {name.lower() for name, _ in self.response_headers}
        self.response_headers += [pair for pair in HEADERS.items() if pair[0].lower() not in given]
        return bytes(super().build_response_header())


class _Answer(_CarefulTask, WSGITask):  # type: ignore[misc]
    """From the application."""


class _Refusal(_CarefulTask, ErrorTask):  # type: ignore[misc]
    """From waitress, of a request that no application sees."""


class BoundedChannel(HTTPChannel):  # type: ignore[misc] # waitress ships no types
    """One connection. Waitress takes a request in whole before a thread sees it, so that slow callers hold no
    thread; but it closes only silent ones, and a byte now and then is no silence to it. So a request has a
    deadline here, and where all connections are taken the one that has waited longest makes room.
    """

    task_class = _Answer
    error_task_class = _Refusal

    def __init__(self, limits: Limits, limit_of: BodyLimit | None, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._limits = limits
        if limit_of is not None:
            self.parser_class = partial(BoundedRequest, limit_of, self.addr[0])
        self.waits_since = time.monotonic()
        self._make_room()

    def service(self) -> None:
        """Answer a request, in a thread."""
        self.waits_since = time.monotonic()
        super().service()

    def readable(self) -> bool:
        """Whether the loop shall read; it asks at least once a second."""
        now = time.monotonic()
        if self.requests:
            self.waits_since = now
        elif now - self.waits_since > self._limits.request_seconds:
            self._give_up()
        return bool(super().readable())

    def _make_room(self) -> None:
        channels = [each for each in self._map.values() if isinstance(each, BoundedChannel)]
        staying = [each for each in channels if not each.will_close]
        waiting = [each for each in staying if not each.requests and each is not self]
        if waiting and len(staying) > self._limits.connections:
            min(waiting, key=lambda each: each.waits_since)._give_up()

    def _give_up(self) -> None:
        self.will_close = True
        with suppress(OSError):  # it may have gone by itself
            # Waitress closes what is writable, which one whose caller takes nothing is only after this.
            self.socket.shutdown(socket.SHUT_RDWR)
