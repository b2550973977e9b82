"""Requests whose head decides how large a body may be, before any of it is taken."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from waitress.parser import HTTPRequestParser


@dataclass(frozen=True)
class Head:
    """What a request says before its body, and the address it comes from."""

    address: str
    path: str
    headers: Mapping[str, str]

    def header(self, name: str) -> str | None:
        """A header by its usual name."""
        return self.headers.get(name.upper().replace("-", "_"))


BodyLimit = Callable[[Head], int]
"""The largest body, in bytes, that is taken of a request; it may raise nothing and wait for nothing."""


class BoundedRequest(HTTPRequestParser):  # type: ignore[misc] # waitress ships no types
    """One request as it comes in. Waitress takes any body whole, to a temporary file if it is large, before
    the application sees its head. Here one that is too large is left where it is: the application sees the
    head with the length that was announced and refuses it; then the connection is closed.
    """

    error: Any
    body_rcv: Any

    def __init__(self, limit_of: BodyLimit, address: str, adjustments: Any) -> None:
        super().__init__(adjustments)
        self._limit_of, self._address = limit_of, address
        self._limit: int | None = None

    def received(self, data: bytes) -> int:
        """Take what came; gives how much of it was for this request."""
        consumed = int(super().received(data))
        if self.error is not None or self.body_rcv is None:
            return consumed
        if self._limit is None:
            self._limit = self._limit_of(Head(self._address, self.path, self.headers))
        if max(self.content_length, self.body_bytes_received) <= self._limit:
            return consumed
        self._leave_body()
        return len(data)

    def _leave_body(self) -> None:
        self.close()
        self.body_rcv = None
        self.headers["CONTENT_LENGTH"] = str(max(self.content_length, self.body_bytes_received))
        self.headers["CONNECTION"] = "close"  # what is still to come would be taken for the next request
        self.expect_continue = False
        self.completed = True
