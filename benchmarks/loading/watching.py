"""Memory, processor time and pushed predictions, looked at every few seconds beside the load."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import psutil

from adapters.services.programs import WORKER_TRAIN

TRAINING = "training process"
LOOK_SECONDS = 2.0
MIB = 1 << 20


@dataclass(frozen=True)
class Look:
    """One moment: MiB and processor seconds so far by service, and how many predictions there are."""

    at: float
    memory: Mapping[str, float]
    processor: Mapping[str, float]
    predictions: int


@dataclass
class Watch:
    """Looks in a thread of its own until `stop`; `roots` gives the first process of each service."""

    roots: Callable[[], Mapping[str, int]]
    count_predictions: Callable[[], int]
    looks: list[Look] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look a last time and end."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        roots = self.roots()
        while True:
            self.looks.append(look(roots, self.count_predictions()))
            if self._stop.wait(LOOK_SECONDS):
                return


def look(roots: Mapping[str, int], predictions: int) -> Look:
    """One look; the processes of a service are added up."""
    memory, processor = {}, {}
    for name, pid in roots.items():
        own, below = family(pid)
        if name == WORKER_TRAIN:  # what it starts ends with each round, and is no part of what must stay flat
            memory[TRAINING], processor[TRAINING] = measure(below)
            below = []
        memory[name], processor[name] = measure([*own, *below])
    return Look(time.time(), memory, processor, predictions)


def family(pid: int) -> tuple[list[psutil.Process], list[psutil.Process]]:
    """A process and all that it started; empty lists once it is gone."""
    try:
        root = psutil.Process(pid)
        return [root], root.children(recursive=True)
    except psutil.Error:
        return [], []


def measure(processes: Sequence[psutil.Process]) -> tuple[float, float]:
    """MiB and processor seconds of those that still run.

    What they hold beside files and shared memory: libraries are shared with whatever else has them loaded, so
    any share of these goes up and down with what others start and end.
    """
    memory = processor = 0.0
    for process in processes:
        with suppress(psutil.Error):
            held = process.memory_info()
            memory += (held.rss - getattr(held, "shared", 0)) / MIB
            times = process.cpu_times()
            processor += times.user + times.system
    return memory, processor
