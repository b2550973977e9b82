"""`python -m worker.health train|light|beat`: whether that one, on this host, does its work.

A worker is asked over the queue, so that one whose process lives and hears nothing is not well. Beat answers
nobody: it leaves a mark each time that the queue has taken a call from it.
"""

from __future__ import annotations

import socket
import sys
from contextlib import closing

from adapters.environment import load_settings
from adapters.queue import CeleryQueue
from adapters.services.heartbeat import seconds_since_beat
from adapters.settings import Settings
from loop.errors import SonoloopError

ANSWER_SECONDS = 5.0
BEATS_MISSED = 3
SLOWEST_SECONDS = 30.0
"""A beat that was never asked to hurry is given so long."""


def main(arguments: list[str]) -> int:
    """0: well; 1: not; 2: an unknown role."""
    role = arguments[0] if arguments else ""
    if role not in ("train", "light", "beat"):
        sys.stderr.write("got no known role; need train, light or beat: python -m worker.health train\n")
        return 2
    try:
        settings = load_settings()
        is_well = is_beating(settings) if role == "beat" else answers(settings, f"worker-{role}")
    except SonoloopError as exc:
        sys.stderr.write(f"{exc.message}\n")
        return 1
    return 0 if is_well else 1


def answers(settings: Settings, worker: str) -> bool:
    """Whether this host's worker of that name takes messages."""
    with closing(CeleryQueue(settings)) as queue:
        return queue.answers(f"{worker}@{socket.gethostname()}", ANSWER_SECONDS)


def is_beating(settings: Settings) -> bool:
    """Whether beat's last call reached the queue not long ago."""
    limit = max(BEATS_MISSED * settings.sweep_seconds, SLOWEST_SECONDS)
    return seconds_since_beat(settings) <= limit


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
