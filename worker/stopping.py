"""Whether this worker was asked to end: long tasks look here, stop at a safe point and leave the rest to the
next.
"""

from __future__ import annotations

import threading

from celery.signals import worker_shutting_down


class Interrupted(Exception):
    """This worker was asked to end: what is left goes on elsewhere."""


class Stopping:
    """A flag that is raised once, by SIGTERM or Ctrl-C."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def listen(self) -> None:
        """Be raised when Celery begins to shut the worker down."""
        worker_shutting_down.connect(self._hear, weak=False)

    def is_asked(self) -> bool:
        """Whether it is time to end."""
        return self._event.is_set()

    def ask(self) -> None:
        """Raise the flag."""
        self._event.set()

    def _hear(self, **_: object) -> None:
        self.ask()
