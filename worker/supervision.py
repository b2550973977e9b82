"""Seeing a training process through: to its model, to the reason for having none, or to a stop on request."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable
from pathlib import Path

import structlog

from loop.errors import OutOfMemory, TrainingFailed
from trainer.endings import BAD_INPUT, EXITS, reason_of
from worker.memory import count_oom_kills
from worker.process import Event, TrainingProcess

LOOK_SECONDS = 0.25
FAREWELL_SECONDS = 30.0
"""From its last word to its end: on a busy machine it takes torch a while to let go of everything."""
OUT_OF_MEMORY = reason_of(OutOfMemory(""))[1]
ABRUPT = (-signal.SIGABRT, 1)
"""How C++ and Rust end a process whose allocation fails, and Python one of an error that nobody caught."""
FINAL_CODES = frozenset(code for _, reason, code in EXITS if reason != "unavailable") | {BAD_INPUT}

log = structlog.get_logger()


class Crashed(TrainingFailed):
    """A training process that ended without saying why: another attempt goes on from its checkpoint."""


def see_through(job: Path, look: Callable[[Iterable[Event]], None], niceness: int = 0) -> Event:
    """Run the job in a process of its own, `niceness` less urgent than this one; return its "done" event.

    `look` hears of every event, and at least four times a second; what it raises ends the process and is
    passed on. Raises OutOfMemory, TrainingFailed (the same job would fail again), Crashed.
    """
    kills_before = count_oom_kills()
    process = TrainingProcess(job, niceness)
    log.info("training_started", pid=process.pid)
    last: Event = {}
    try:
        while not process.is_over:
            events = process.events(LOOK_SECONDS)
            last = events[-1] if events else last
            look(events)
    except BaseException:
        log.info("training_stopped", pid=process.pid, code=process.stop())
        raise
    # Its last word counts, not how it ends: on a busy machine that takes so long that it is ended by force.
    code = _told_code(process.wait(FAREWELL_SECONDS), last)
    log.info("training_ended", pid=process.pid, code=code)
    if last.get("event") == "done":
        return last
    is_killed = count_oom_kills() > kills_before
    raise failure(code, last, is_killed=is_killed, is_named=process.named_want_of_memory)


def _told_code(code: int, last: Event) -> int:
    """The exit code that a failed training announced; else the one that it ended with."""
    told = last.get("code") if last.get("event") == "failed" else None
    return told if isinstance(told, int) else code


def failure(code: int, last: Event, *, is_killed: bool, is_named: bool) -> TrainingFailed:
    """The error that an exit code and the last event stand for.

    `is_killed`: the kernel ended processes for want of memory meanwhile; `is_named`: stderr gives it as the
    reason.
    """
    said = str(last["message"]) if last.get("event") == "failed" and "message" in last else ""
    is_starved = (code == -signal.SIGKILL and is_killed) or (code in ABRUPT and is_named)
    if code == OUT_OF_MEMORY or is_starved:
        return OutOfMemory("a training that ran out of memory", "a smaller batch or size")
    if code in FINAL_CODES and said:
        return TrainingFailed(f"a training that failed: {said}")
    how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
    return Crashed(f"a training process that ended {how}", "", "it goes on from its last checkpoint")
