"""Processes that work for another: Ctrl-C ends them without a word, and none outlives whom it works for."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context, parent_process
from typing import TypeVar

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")
PR_SET_PDEATHSIG = 1


def map_in_processes(
    work: Callable[[Item], Outcome], items: Iterable[Item], workers: int
) -> Iterator[Outcome]:
    """Outcomes in the order of the items, of fresh processes (nothing is inherited by a fork).

    No item gives no outcome. Raises what `work` raises, and BrokenProcessPool when the system ends a process.
    """
    with ProcessPoolExecutor(workers, get_context("spawn"), _begin) as pool:
        # A process inherits what is blocked. Until it is ready, an interrupt would print a traceback from
        # the middle of an import; blocked, it waits and then ends the process. Ours arrives after the block.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            outcomes = pool.map(work, items)  # starts the processes
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        yield from outcomes


def die_with_parent() -> None:
    """Let this process be killed as soon as the thread that started it has ended, where the kernel can see to
    it (Linux): a thread of ours gets no turn while torch is deep in a long call.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def end_with_parent() -> None:
    """See to it that this process of `multiprocessing` ends with the one that started it, however that ends.

    A pool's processes wait for work at a pipe that they hold open themselves: without this they would finish
    what they do and then wait for ever.
    """
    parent = parent_process()
    if parent is None:
        return
    die_with_parent()
    if os.getppid() != parent.pid:  # it died before the kernel was asked
        os._exit(1)
    threading.Thread(target=_end_after, args=(parent.join,), daemon=True).start()


def _end_after(wait: Callable[[], None]) -> None:
    wait()
    os._exit(1)


def _begin() -> None:
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
