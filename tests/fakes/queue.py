"""A queue that keeps the messages it was given."""

from __future__ import annotations

from loop.errors import Unavailable

Message = tuple[str, dict[str, int | str | bool]]


class FakeQueue:
    """`FakeQueue()` implements `loop.ports.Queue`; `sent` holds the messages, `is_down = True` loses them
    loudly.
    """

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.is_down = False

    def enqueue(self, job: str, **ids: int | str | bool) -> None:
        if self.is_down:
            raise Unavailable("no answer from the broker", todo="try again later")
        self.sent.append((job, ids))

    def take(self) -> list[Message]:
        """All messages so far, which are then forgotten."""
        taken, self.sent = self.sent, []
        return taken
