"""A real Redis on a socket of its own, ended with the test."""

from __future__ import annotations

import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from adapters.queue import CeleryQueue
from adapters.services.programs import redis_command
from tests.machine import wait_until
from tests.services.homes import make_settings

START_SECONDS = 10.0


class RunningRedis:
    """A Redis that a test may kill and start again; what it holds is kept in between."""

    def __init__(self, folder: Path, executable: str = "") -> None:
        self.socket = folder / "redis.sock"
        self._executable = executable
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis+socket://{self.socket}"

    def start(self) -> None:
        command = redis_command(self._folder, self.socket, self._executable)
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=self._folder)
        queue = CeleryQueue(make_settings(self._folder, redis_url=self.url))
        wait_until(queue.is_up, "Redis is up", START_SECONDS)
        queue.close()

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()


@contextmanager
def running_redis(executable: str = "") -> Iterator[RunningRedis]:
    """The server that the product starts, or another; sockets allow about 100 characters, so its folder lies
    right below the system's temporary one.
    """
    with tempfile.TemporaryDirectory(prefix="slr-") as folder:
        redis = RunningRedis(Path(folder), executable)
        redis.start()
        try:
            yield redis
        finally:
            redis.kill()
