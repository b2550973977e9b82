"""A named lease lets one process at a time do something. A living holder keeps it however long one of its
steps takes; one that was killed loses it soon.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import uuid4

from loop.errors import LeaseLost, Unavailable
from loop.ports import Clock, Database

BEATS = 3
"""Renewals in the time that a lease runs: two may fail or be late."""


@dataclass(frozen=True)
class Lease:
    """A lease by its name, for one holder; `seconds` is how long a holder that was killed keeps it."""

    database: Database
    clock: Clock
    name: str
    seconds: float
    holder: str = field(default_factory=lambda: uuid4().hex)

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Take the lease, renew it from a thread as long as the block takes, and give it back.

        Raises LeaseLost while another holds it. A block that writes anything outside of the database calls
        `renew` before: a process that stood still for longer than a lease may have lost it.
        """
        self.take()
        try:
            with _beating(self.renew, self.seconds / BEATS):
                yield
        finally:
            with self.database.write() as uow:
                uow.marks.release(self.name, self.holder)
                uow.commit()

    def take(self) -> None:
        """Raises LeaseLost while another holds it."""
        with self.database.write() as uow:
            now = self.clock()
            if not uow.marks.acquire(self.name, self.holder, now=now, until=now + self._length):
                raise LeaseLost("a lease that another run holds", "its end", lease=self.name)
            uow.commit()

    def renew(self) -> None:
        """Raises LeaseLost when another took it in the meantime, even if it has given it back since."""
        with self.database.write() as uow:
            if not uow.marks.renew(self.name, self.holder, until=self.clock() + self._length):
                raise LeaseLost("a lease that went to another run", "stop and write nothing", lease=self.name)
            uow.commit()

    @property
    def _length(self) -> timedelta:
        return timedelta(seconds=self.seconds)


@contextmanager
def _beating(beat: Callable[[], None], seconds: float) -> Iterator[None]:
    """Call `beat` every so many seconds beside the block; no call is made or goes on after it."""
    is_over = threading.Event()

    def go_on() -> None:
        with suppress(LeaseLost):  # whoever does the work asks for itself, before it writes
            while not is_over.wait(seconds):
                with suppress(Unavailable):  # a database that is away for a moment
                    beat()

    thread = threading.Thread(target=go_on, name="lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
