"""The mark that beat leaves when the queue has taken a call from it: beat itself answers nobody."""

from __future__ import annotations

import math
import time
from pathlib import Path

from adapters.services.paths import Paths
from adapters.settings import Settings


def mark_beat(settings: Settings) -> None:
    """Beat sends its calls and they are taken. Raises OSError."""
    path = _mark(settings)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch()


def seconds_since_beat(settings: Settings) -> float:
    """How long ago that was; infinite when it never happened, or in a time to come."""
    try:
        seconds = time.time() - _mark(settings).stat().st_mtime
    except OSError:
        return math.inf
    return seconds if seconds >= 0 else math.inf


def _mark(settings: Settings) -> Path:
    """On this host: where several share a home, each answers for itself."""
    return Paths(settings).socket.with_name("beat")
