"""Killing the services of a home, and bringing them up again as a person would."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from adapters.locks import holder
from adapters.services.control import start, status
from adapters.services.paths import Paths
from adapters.services.programs import WORKER_TRAIN
from adapters.services.readiness import wait_ready
from adapters.settings import Settings
from loop.errors import SonoloopError
from tests.invariants import Findings, Parts, examine
from tests.machine import is_alive

LEFTOVER_SECONDS = 20.0
"""A file that was half written for so long was left by somebody who died."""


class Services:
    """The processes of one home."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def pids(self) -> dict[str, int]:
        """Of the services that run."""
        return {each.name: each.pid for each in status(self.settings) if each.pid is not None}

    def kill(self, *names: str) -> None:
        """SIGKILL; the supervisor starts them again."""
        pids = self.pids()
        for name in names:
            if name in pids:
                with suppress(ProcessLookupError):
                    os.kill(pids[name], signal.SIGKILL)

    def kill_training(self) -> bool:
        """SIGKILL of the training process alone; False when none runs."""
        worker = self.pids().get(WORKER_TRAIN)
        tasks = Path(f"/proc/{worker}/task")
        with suppress(OSError):
            children = [pid for task in tasks.iterdir() for pid in (task / "children").read_text().split()]
            for pid in children:
                os.kill(int(pid), signal.SIGKILL)
            return bool(children)
        return False

    def kill_all(self) -> None:
        """SIGKILL of the supervisor and of every service at once, as a power cut would."""
        pids = [holder(Paths(self.settings).supervisor_lock), *self.pids().values()]
        for pid in pids:
            if pid is not None:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        while any(pid is not None and is_alive(pid) for pid in pids):
            time.sleep(0.05)

    def up(self) -> None:
        """What `sonoloop up` does for the services: start what does not run, wait until all answer."""
        start(self.settings)
        wait_ready(self.settings)

    @contextmanager
    def without(self, name: str) -> Iterator[None]:
        """Killed, and held down until the end of the block; then started as `sonoloop up` does."""
        self.kill(name)
        server = f"unix://{Paths(self.settings).socket}"
        control = (sys.executable, "-m", "supervisor.supervisorctl", "--serverurl", server)
        subprocess.run([*control, "stop", name], stdout=subprocess.DEVNULL, check=False)
        try:
            yield
        finally:
            self.up()


def wait_until_whole(parts: Parts, project_id: int, seconds: float = 240.0) -> float:
    """Let the services recover by themselves; how long that took. Fails with what is broken still."""
    began = time.monotonic()
    findings: Findings | None = None
    while time.monotonic() < began + seconds:
        _remove_old_leftovers(parts)
        with suppress(SonoloopError):  # a service that is still on its way up
            findings = examine(parts, project_id)
            if findings.is_whole:
                return time.monotonic() - began
        time.sleep(0.5)
    raise AssertionError(f"not whole after {seconds:.0f} s: {findings}")


def _remove_old_leftovers(parts: Parts) -> None:
    """What the light worker's hourly look removes."""
    remove = getattr(parts.storage, "remove_leftovers", None)
    if remove is not None:
        remove(older_than=LEFTOVER_SECONDS)
