"""A training process seen from its worker: events as they come, and an end that always comes.

What it writes to stderr is for people: each line becomes a log line of the worker, with the ids of the round.
"""

from __future__ import annotations

import contextvars
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import IO, Any

import structlog

from trainer.endings import names_want_of_memory
from worker.child import STOP_SECONDS

PROJECT_ROOT = Path(__file__).resolve().parents[1]
MAX_LINE = 1 << 20
LAST_WORDS_SECONDS = 1.0
"""For the rest of stderr, which a helper of the process may hold open longer than the process lives."""
MAX_TEXT = 2000
"""Characters of one line on stderr that are kept."""

Event = Mapping[str, Any]

log = structlog.get_logger()


class TrainingProcess:
    """`python -m worker.child JOB.json NICENESS`, started by the constructor."""

    def __init__(self, job: Path, niceness: int = 0) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "worker.child", str(job), str(niceness)],
            cwd=PROJECT_ROOT,
            stdin=subprocess.PIPE,  # never written: its end tells the child that this process is gone
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._events: SimpleQueue[Event | None] = SimpleQueue()
        self._is_silent = self._named_want_of_memory = False
        self._reader = _in_background(self._read, self._process.stdout)
        self._listener = _in_background(self._pass_on, self._process.stderr)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def is_over(self) -> bool:
        """Whether it has said its last word, which `events` has given."""
        return self._is_silent

    @property
    def named_want_of_memory(self) -> bool:
        """Whether its stderr gave that as the reason for its end; known after `wait`."""
        return self._named_want_of_memory

    def events(self, seconds: float) -> list[Event]:
        """What it has told since the last call: returns at the first event, or after `seconds` with none."""
        found: list[Event] = []
        try:
            event = self._events.get(timeout=seconds)
            while event is not None:
                found.append(event)
                event = self._events.get_nowait()
            self._is_silent = True
        except Empty:
            pass
        return found

    def stop(self) -> int:
        """Ask it to end, end it by force after 5 s, and return its exit code."""
        if self._process.poll() is None:
            self._process.terminate()
        return self.wait()

    def wait(self, seconds: float = STOP_SECONDS) -> int:
        """Give it `seconds` to end by itself, then end it by force; its exit code, negative: the signal that
        ended it.
        """
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        self._listener.join(LAST_WORDS_SECONDS)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        return self._process.returncode

    def _read(self, lines: IO[bytes]) -> None:
        while line := lines.readline(MAX_LINE):
            try:
                event = json.loads(line)
                if isinstance(event, dict):
                    self._events.put(event)
            except ValueError:
                log.warning("training_output_unreadable", length=len(line))
        self._events.put(None)

    def _pass_on(self, lines: IO[bytes]) -> None:
        with lines:
            while line := lines.readline(MAX_LINE):
                text = line.decode(errors="replace").rstrip()
                self._named_want_of_memory |= names_want_of_memory(text)
                if text:
                    log.warning("training_said", text=text[:MAX_TEXT])


def _in_background(read: Callable[[IO[bytes]], None], pipe: IO[bytes] | None) -> threading.Thread:
    """A thread that logs under the ids of whoever started it."""
    context = contextvars.copy_context()
    thread = threading.Thread(target=context.run, args=(read, pipe), daemon=True)
    thread.start()
    return thread
