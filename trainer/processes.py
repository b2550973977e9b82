"""Spreads work over processes that Ctrl-C ends without a word."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TypeVar

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


def map_in_processes(
    work: Callable[[Item], Outcome], items: Iterable[Item], workers: int
) -> Iterator[Outcome]:
    """Outcomes in the order of the items, of fresh processes (nothing is inherited by a fork).

    No item gives no outcome. Raises what `work` raises, and BrokenProcessPool when the system ends a process.
    """
    with ProcessPoolExecutor(workers, get_context("spawn"), _end_by_interrupt) as pool:
        # A process inherits what is blocked. Until it is ready, an interrupt would print a traceback from
        # the middle of an import; blocked, it waits and then ends the process. Ours arrives after the block.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            outcomes = pool.map(work, items)  # starts the processes
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        yield from outcomes


def _end_by_interrupt() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
