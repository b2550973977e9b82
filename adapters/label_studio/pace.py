"""Room for readers. Label Studio is one process on one core: every second in which it is busy with our pushes
and lists is one in which readers wait.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from adapters.label_studio.api import Api, Params

LONGEST_PAUSE = 5.0
"""Seconds. A call that took a minute tells of a Label Studio that was away, not of one busy with us."""


class Pace:
    """Keeps Label Studio busy with the long calls of this process for at most `share` of the time (above 0;
    1: without pauses).

    They go one at a time, and after each there is a pause in proportion to how long it took. So the more
    readers there are, the more slowly we go; what we compute between two calls is part of the pause.
    """

    def __init__(
        self,
        share: float = 1.0,
        *,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._pause_per_second = 1 / share - 1
        self._now, self._sleep = now, sleep
        self._turn = threading.Lock()
        self._free_at = now()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Make a long call within this block; it begins once others are done and the pause is over."""
        with self._turn:
            self._sleep(max(0.0, self._free_at - self._now()))
            begun = self._now()
            try:
                yield
            finally:
                ended = self._now()
                pause = (ended - begun) * self._pause_per_second
                self._free_at = ended + min(pause, LONGEST_PAUSE)


class PacedApi:
    """The calls of an API that take long or come in hundreds: pages of lists, pushes, new places."""

    def __init__(self, api: Api, pace: Pace) -> None:
        self._api, self._pace = api, pace

    def get(self, path: str, params: Params | None = None) -> Any:
        """As `Api.get`, in its turn."""
        with self._pace.turn():
            return self._api.get(path, params)

    def post(self, path: str, body: Mapping[str, Any] | Sequence[Any], params: Params | None = None) -> Any:
        """As `Api.post`, in its turn."""
        with self._pace.turn():
            return self._api.post(path, body, params)

    def patch(self, path: str, body: Mapping[str, Any]) -> Any:
        """As `Api.patch`, in its turn."""
        with self._pace.turn():
            return self._api.patch(path, body)
