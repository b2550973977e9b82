"""A seeded walk through all that readers do and all that can break, on a running home."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import httpx
import numpy as np
from redis import Redis

from adapters.label_studio.provision import SECRET_HEADER
from adapters.label_studio.session import ReaderSession, Result
from adapters.services.programs import BACKEND, BEAT, LABEL_STUDIO, REDIS, WORKER_LIGHT, WORKER_TRAIN
from loop.errors import SonoloopError
from loop.planning import plan
from loop.regions import mask_to_result
from loop.rounds import cancel
from loop.serving import relay_outbox
from loop.versions import rollback
from tests.e2e.homes import CLASS, Home, Mirror
from tests.e2e.outages import Services, wait_until_whole
from tests.invariants import Parts, parts_of

SIDE = 96
SERVICES = (REDIS, LABEL_STUDIO, BACKEND, WORKER_LIGHT, WORKER_TRAIN, BEAT)


@dataclass
class Walk:
    """One step after the other, each drawn from the seed; `steps` holds what was done, for a repetition."""

    home: Home
    mirror: Mirror
    reader: Callable[[], ReaderSession]
    random: random.Random
    say: Callable[[str], None]
    steps: list[str] = field(default_factory=list)
    slowest: float = 0.0
    events: list[dict[str, Any]] = field(default_factory=list)

    @property
    def services(self) -> Services:
        return Services(self.home.settings)

    @property
    def parts(self) -> Parts:
        return parts_of(self.home.container)

    def go(self, seconds: float, check_every: int = 12) -> None:
        """Walk for so long; every few steps all must come right again by itself."""
        began = time.monotonic()
        doings: list[tuple[Callable[[], object], int]] = [
            (self.label, 12),
            (self.skip, 2),
            (self.update, 4),
            (self.delete, 2),
            (self.delete_task, 1),
            (self.webhooks, 4),
            (self.kill_one, 5),
            (self.kill_training, 3),
            (self.kill_all, 1),
            (self.flush, 2),
            (self.without_one, 2),
            (self.start_round, 5),
            (self.cancel, 2),
            (self.roll_back, 2),
            (self.wait, 4),
        ]
        calls, weights = zip(*doings, strict=True)
        while time.monotonic() < began + seconds:
            (call,) = self.random.choices(calls, weights)
            self.do(call)
            if len(self.steps) % check_every == 0:
                self.check()
        self.check()

    def do(self, call: Callable[[], object]) -> None:
        """One step; what a service that is away refuses is a step too."""
        name = getattr(call, "__name__", "step")
        try:
            outcome = call()
            self.steps.append(f"{name} {outcome or ''}".strip())
        except SonoloopError as error:
            self.steps.append(f"{name} refused ({type(error).__name__})")
        except (httpx.HTTPError, OSError) as error:
            self.steps.append(f"{name} not answered ({type(error).__name__})")

    def check(self) -> None:
        """Everything is up again, and all invariants hold."""
        self.services.up()
        self.slowest = max(self.slowest, wait_until_whole(self.parts, self.mirror.project_id))
        self.say(f"{len(self.steps)} steps, {len(self.annotations())} annotations, all whole")

    def tally(self) -> dict[str, int]:
        """How often each step was taken."""
        return dict(Counter(step.split()[0] for step in self.steps))

    # what readers do

    def label(self) -> str:
        count = self.random.randint(1, 4)
        session = self.reader()
        for _ in range(count):
            task = session.next_task(self.mirror.label_studio_id())
            if task is None:
                return "nothing left"
            shown = task.shown.result if task.shown else []
            result = self.random.choice([shown, self.disc(), self.disc(), []])
            key = session.submit(task.id, result, 2.0, task.shown.id if task.shown else None)
            self.events.append({"action": "ANNOTATION_CREATED", "annotation": {"id": key}})
        return str(count)

    def skip(self) -> str:
        session = self.reader()
        task = session.next_task(self.mirror.label_studio_id())
        if task is None:
            return "nothing left"
        return str(session.skip(task.id, [], 1.0, task.shown.id if task.shown else None))

    def update(self) -> str:
        key = self.pick()
        if key:
            self.reader().update(key, self.disc(), 3.0)
            self.events.append({"action": "ANNOTATION_UPDATED", "annotation": {"id": key}})
        return str(key)

    def delete(self) -> str:
        key = self.pick()
        if key:
            self.reader().delete(key)
            self.events.append({"action": "ANNOTATIONS_DELETED", "annotations": [{"id": key}]})
        return str(key)

    def delete_task(self) -> str:
        tasks = sorted(self.mirror.tasks())
        if len(tasks) < 60:
            return "too few"
        task = self.random.choice(tasks)
        self.home.container.label_studio_api.delete(f"/api/tasks/{task}/")
        return str(task)

    # what webhooks do

    def webhooks(self) -> str:
        """Old ones again, ten times, in another order; forged ones, with and without the secret."""
        bodies = self.random.choices(self.events, k=3) * 3 if self.events else []
        bodies.append({"action": "ANNOTATIONS_DELETED", "annotations": [{"id": self.pick() or 1}]})
        self.random.shuffle(bodies)
        secret = self.home.settings.webhook_secret.get_secret_value()
        url = f"{self.home.settings.effective_backend_url}/webhook"
        answers = []
        for body in bodies:
            sent = self.random.choice([secret, secret, "guessed"])
            stamped = {**body, "project": {"id": self.mirror.label_studio_id()}}
            answer = httpx.post(url, json=stamped, headers={SECRET_HEADER: sent}, trust_env=False, timeout=20)
            answers.append(answer.status_code)
        return str(dict(Counter(answers)))

    # what breaks

    def kill_one(self) -> str:
        name = self.random.choice(SERVICES)
        self.services.kill(name)
        return name

    def kill_training(self) -> str:
        return str(self.services.kill_training())

    def kill_all(self) -> None:
        self.services.kill_all()
        self.services.up()

    def flush(self) -> None:
        with suppress(Exception):
            Redis(unix_socket_path=str(self.home.settings.redis_socket)).flushall()

    def without_one(self) -> str:
        name = self.random.choice((REDIS, BACKEND, WORKER_LIGHT, BEAT))
        with self.services.without(name):
            self.do(self.label)
            time.sleep(self.random.uniform(0, 8))
        return name

    # what people do with rounds

    def start_round(self) -> str:
        ports, rules = self.home.container.round_ports, self.home.container.round_rules
        return plan(ports, rules, self.mirror.project_id, is_forced=True).trigger.reason

    def cancel(self) -> str:
        row = cancel(self.home.container.round_ports, self.mirror.project_id)
        return f"round {row.number}" if row else "none"

    def roll_back(self) -> str:
        version = rollback(
            self.home.container.round_ports, self.home.container.storage, self.mirror.project_id
        )
        relay_outbox(self.home.container.serving_ports)
        return version.name

    def wait(self) -> str:
        seconds = self.random.uniform(1, 10)
        time.sleep(seconds)
        return f"{seconds:.0f} s"

    # in between

    def annotations(self) -> list[int]:
        tasks = self.home.container.label_studio.tasks_changed_since(self.mirror.label_studio_id(), None)
        return sorted(annotation.id for task in tasks for annotation in task.annotations)

    def pick(self) -> int | None:
        keys = self.annotations()
        return self.random.choice(keys) if keys else None

    def disc(self) -> Result:
        rows, columns = np.mgrid[:SIDE, :SIDE]
        y, x, radius = self.random.randint(20, 70), self.random.randint(20, 70), self.random.randint(5, 15)
        mask = (rows - y) ** 2 + (columns - x) ** 2 <= radius**2
        return mask_to_result(mask[None], (CLASS,), self.home.container.codec, f"disc {y} {x} {radius}")
