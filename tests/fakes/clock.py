"""A clock that a test turns by hand; it ticks a little at every look, so that no two times are equal."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

START = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
TICK = timedelta(milliseconds=1)


class ManualClock:
    """`ManualClock()` begins at a fixed moment; calling it gives the present, `advance` moves it on."""

    def __init__(self, start: datetime = START) -> None:
        self.present = start

    def __call__(self) -> datetime:
        self.present += TICK
        return self.present

    def advance(self, seconds: float) -> None:
        self.present += timedelta(seconds=seconds)
