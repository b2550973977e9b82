"""A training in a process of its own, as rounds run it: `python -m trainer.run JOB.json`, heard line by line.

The process leads a session of its own: Ctrl-C reaches the command alone, which then asks the training to end
between two steps. When the command dies, however it dies, its end of the pipe does too, and `trainer.run`
ends at its next word, a second later at most and one step.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from loop.errors import OutOfMemory, OutOfSpace, SonoloopError, TrainingFailed, Unavailable
from trainer.endings import STOPPED, names_want_of_memory, reason_of

ROOT = Path(__file__).resolve().parents[2]
STOP_SECONDS = 20.0
LAST_BYTES = 4000
A_MODEL = "one that ends with a model"
INSTEAD = (
    "take the network out of --networks, or lower learning_rate in a recipe file and compare in another --out"
)
"""What helps where a network cannot be trained by a recipe: the recipe is one for all."""
Event = Mapping[str, Any]


class Ended(SonoloopError):
    """A training that was asked to end from outside, as all are when a machine goes down."""


def train_in_child(job: Path, lock: int) -> Generator[Event]:
    """Run a job and yield its events; the last one is "done". The child inherits the descriptor `lock`.

    Whatever ends the iteration ends the child. Raises Ended, OutOfMemory, OutOfSpace, TrainingFailed,
    Unavailable.
    """
    with tempfile.TemporaryFile() as errors, _child(job, lock, errors) as process:
        last: Event = {}
        for line in process.stdout or ():
            last = json.loads(line)
            yield last
        code = process.wait()
        if last.get("event") != "done":
            raise failure(code, last, _tail(errors))


@contextmanager
def _child(job: Path, lock: int, errors: IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "trainer.run", str(job)],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=errors,
        start_new_session=True,
        pass_fds=(lock,),
    )
    try:
        yield process
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if process.stdout is not None:
        process.stdout.close()


def _tail(errors: IO[bytes]) -> list[str]:
    size = errors.seek(0, os.SEEK_END)
    errors.seek(max(0, size - LAST_BYTES))
    return errors.read().decode(errors="replace").splitlines()


def failure(code: int, last: Event, said: list[str]) -> Exception:
    """The error that an exit code and the last words stand for."""
    message = str(last.get("message", "")) if last.get("event") == "failed" else ""
    codes = {kind: reason_of(kind(""))[1] for kind in (OutOfMemory, OutOfSpace)}
    if code == codes[OutOfMemory] or any(map(names_want_of_memory, said)) or code == -9:
        got = "a training that ran out of memory" if code != -9 else "a training that the system killed"
        return OutOfMemory(
            got, "more memory, or smaller frames", "free some, or begin anew with a smaller --size"
        )
    if code in (STOPPED, -signal.SIGTERM):
        todo = "start the same command again: it goes on where it was"
        return Ended("a training that was ended from outside", A_MODEL, todo)
    if code == codes[OutOfSpace]:
        return OutOfSpace(
            "a disk with no room", "room for a checkpoint", "make room, then start the same command again"
        )
    if code == reason_of(Unavailable(""))[1]:
        got = message.removeprefix("got ") or "a training whose weights cannot be fetched"
        return Unavailable(got, "a source that answers", "start the same command again later")
    if message:
        return TrainingFailed(f"a training that failed: {message.removeprefix('got ')}", A_MODEL, INSTEAD)
    how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
    words = "".join(f"\n{line}" for line in said[-8:])
    todo = "start the same command again; where it ends so once more, take the network out of --networks"
    return TrainingFailed(f"a training process that ended {how}", A_MODEL, f"{todo}{words}")
