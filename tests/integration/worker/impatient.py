"""A train worker whose messages Redis hands out again after two seconds: run as a program."""

from __future__ import annotations

import sys

from kombu.transport.redis import Channel

from adapters import queue
from adapters.environment import load_settings
from worker.__main__ import main

VISIBILITY_SECONDS = 2

if __name__ == "__main__":
    Channel.unacked_restore_interval = Channel.unacked_restore_throttle = 1  # not every hundred seconds
    queue.VISIBILITY_MARGIN_SECONDS = VISIBILITY_SECONDS - load_settings().hard_limit_seconds
    sys.exit(main(["train"]))
