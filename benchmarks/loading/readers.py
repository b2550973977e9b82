"""Simulated readers of their own accounts, through the API as a browser uses it, each in a thread."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from adapters.brush import SdkBrushCodec
from adapters.label_studio.api import Api
from adapters.label_studio.session import ReaderSession, ServedTask
from adapters.label_studio.users import ensure_reader
from loop.errors import SonoloopError
from loop.masks import Mask
from loop.reader import ReaderMove, decide
from loop.regions import mask_to_result, result_to_mask

PASSWORD = "Reader-pass-1"  # noqa: S105, of a throw-away service
PAUSE_SECONDS = 0.5
"""After an error, or when the queue is empty."""
JITTER = 0.5
"""People are not in step: each frame takes the pace, give or take so much of it."""


@dataclass(frozen=True)
class Site:
    """A Label Studio project to be read; `truth` is what a reader takes for right, by frame digest."""

    url: str
    project: int
    classes: tuple[str, ...]
    truth: Mapping[str, Mask]


@dataclass(frozen=True)
class Call:
    """One request of a reader: `kind` is next, image or submit; `at` is the moment of the answer, s since
    1970.
    """

    phase: str
    kind: str
    at: float
    seconds: float
    annotation: int = 0


@dataclass
class Log:
    """What all readers did; `shared_tasks` counts tasks that were served while another reader had them."""

    calls: list[Call] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    moves: Counter[str] = field(default_factory=Counter)
    shared_tasks: int = 0


class Readers:
    """So many logged-in readers of one site."""

    def __init__(self, site: Site, count: int) -> None:
        self._site = site
        self._codec = SdkBrushCodec()
        self._codec.warm_up()
        with ThreadPoolExecutor(4) as pool:
            self._sessions = list(pool.map(lambda number: log_in(site.url, number), range(count)))
        self._held: dict[int, int] = {}
        self._lock = threading.Lock()
        self.log = Log()

    def close(self) -> None:
        """Log nobody out; close the connections."""
        for session in self._sessions:
            session.close()

    def read(self, phase: str, seconds: float, pace: float) -> None:
        """Read for so long, a frame every `pace` seconds each (0: as fast as it goes)."""
        until = time.monotonic() + seconds
        with ThreadPoolExecutor(len(self._sessions)) as pool:
            works = [
                pool.submit(self._work, number, phase, until, pace) for number in range(len(self._sessions))
            ]
        for work in works:
            work.result()

    def _work(self, number: int, phase: str, until: float, pace: float) -> None:
        draw = random.Random(number)
        time.sleep(draw.random() * pace)
        while time.monotonic() < until:
            begun = time.monotonic()
            seconds = pace * draw.uniform(1 - JITTER, 1 + JITTER)
            try:
                if not self._read_one(number, phase, begun + seconds, until):
                    time.sleep(PAUSE_SECONDS)
            except SonoloopError as error:
                with self._lock:
                    self.log.errors[f"{type(error).__name__}: {error.got[:100]}"] += 1
                time.sleep(PAUSE_SECONDS)

    def _read_one(self, number: int, phase: str, submit_at: float, until: float) -> bool:
        session = self._sessions[number]
        task = self._timed(phase, "next", lambda: session.next_task(self._site.project))
        if task is None:
            return False
        with self._lock:
            self.log.shared_tasks += self._held.get(task.id, number) != number
            self._held[task.id] = number
        self._timed(phase, "image", lambda: session.fetch(str(task.data["image"])))
        move, result = self._answer(task)
        time.sleep(max(0.0, min(submit_at, until) - time.monotonic()))
        parent = task.shown.id if task.shown else None
        seconds = max(0.1, submit_at - time.monotonic())
        self._timed(phase, "submit", lambda: session.submit(task.id, result, seconds, parent))
        with self._lock:
            self.log.moves[move] += 1
            self._held.pop(task.id, None)
        return True

    def _answer(self, task: ServedTask) -> tuple[str, Sequence[Mapping[str, Any]]]:
        truth = self._site.truth[str(task.data["frame"])]
        shown = task.shown.result if task.shown is not None and task.shown.result else None
        proposal = None
        if shown is not None:
            _, height, width = truth.shape
            proposal = result_to_mask(shown, self._site.classes, height, width, self._codec)
        action = decide(proposal, truth)
        if shown is not None and action.decision is ReaderMove.ACCEPT:
            return action.decision, shown
        return action.decision, mask_to_result(action.mask, self._site.classes, self._codec, f"{task.id}")

    def _timed(self, phase: str, kind: str, call: Any) -> Any:
        begun = time.perf_counter()
        answer = call()
        seconds = time.perf_counter() - begun
        annotation = answer if kind == "submit" else 0
        with self._lock:
            self.log.calls.append(Call(phase, kind, time.time(), seconds, annotation))
        return answer


def email_of(number: int) -> str:
    """The account of a reader."""
    return f"reader{number:02d}@sonoloop.local"


def log_in(url: str, number: int) -> ReaderSession:
    """The session of a reader who has an account."""
    return ReaderSession.log_in(url, email_of(number), PASSWORD)


def sign_up(api: Api, count: int) -> None:
    """Give every reader an account."""
    with ExitStack() as stack:
        for number in range(count):
            stack.callback(ensure_reader(api, email_of(number), PASSWORD).close)
