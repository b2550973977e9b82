"""Real workers: processes of their own on a real Redis, over a home in a temporary folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import pytest
from pydantic import SecretStr

from adapters.bootstrap import Container, build
from adapters.home_files import SECRETS_FILE, variable_name
from adapters.services.configuration import expansions, settings_environment
from adapters.settings import Settings
from loop.training_records import Round, RoundState
from tests.services.homes import make_settings
from tests.services.redis import RunningRedis, running_redis

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def redis() -> Iterator[RunningRedis]:
    with running_redis() as server:
        yield server


@dataclass
class Workers:
    """Starts worker processes of one home and ends them with the test."""

    settings: Settings
    log: IO[bytes]
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, role: str, **settings: object) -> subprocess.Popen[bytes]:
        return self.start_module("worker", role, **settings)

    def start_module(self, *words: str, **settings: object) -> subprocess.Popen[bytes]:
        """Run a room of ours; `settings` override the home's."""
        own = {variable_name(name): str(value) for name, value in settings.items()}
        process = subprocess.Popen(
            [sys.executable, "-m", *words],
            cwd=ROOT,
            env={**os.environ, **settings_environment(self.settings), **expansions(), **own},
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=self.log,
        )
        self.processes.append(process)
        return process

    def end(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
            process.wait()


@dataclass
class Stage:
    """What a test of the workers plays on."""

    settings: Settings
    container: Container
    workers: Workers
    redis: RunningRedis

    def round(self, round_id: int) -> Round:
        with self.container.database.read() as uow:
            return uow.rounds.get(round_id)

    def wait_for(self, round_id: int, is_so: Callable[[Round], bool], seconds: float = 400.0) -> Round:
        until = time.monotonic() + seconds
        while not is_so(row := self.round(round_id)):
            if time.monotonic() > until:
                pytest.fail(f"the round stayed at {row}\n{self.log()[-4000:]}")
            time.sleep(0.2)
        return row

    def wait_for_end(self, round_id: int, seconds: float = 400.0) -> Round:
        return self.wait_for(round_id, lambda row: not row.state.is_live, seconds)

    def wait_until_tidy(self, round_id: int) -> None:
        """The worker removes a round's weights a moment after its end."""
        folder = self.settings.root / "rounds" / str(round_id)
        self.wait_for(round_id, lambda _: not list(folder.glob("*/*.safetensors")), 20)

    def log(self) -> str:
        """What all workers wrote."""
        return Path(self.workers.log.name).read_text()

    def child(self, worker: subprocess.Popen[bytes]) -> int:
        """The process id of the training that a worker runs."""
        path = Path(f"/proc/{worker.pid}/task")
        children = [int(pid) for task in path.iterdir() for pid in (task / "children").read_text().split()]
        assert len(children) == 1, children
        return children[0]


def is_training(row: Round) -> bool:
    return row.state is RoundState.TRAINING and row.progress.get("phase") == "training"


def has_a_checkpoint(row: Round) -> bool:
    return is_training(row) and row.progress.get("epoch", 0) >= 2


def keep_secrets(settings: Settings) -> None:
    """Let the processes find the secrets where they look for them."""
    secrets = {name: value.get_secret_value() for name, value in settings if isinstance(value, SecretStr)}
    lines = [f"{variable_name(name)}={value}" for name, value in secrets.items() if value]
    settings.root.mkdir(parents=True, exist_ok=True)
    (settings.root / SECRETS_FILE).write_text("\n".join(lines))


@contextmanager
def open_stage(folder: Path, redis: RunningRedis) -> Iterator[Stage]:
    """A home in the folder; its worker processes end with the block."""
    with ExitStack() as stack:
        settings = make_settings(folder, redis_url=redis.url)
        keep_secrets(settings)
        container = build(settings)
        stack.callback(container.close)
        log = stack.enter_context((folder / "workers.log").open("wb"))
        workers = Workers(settings, log)
        stack.callback(workers.end)
        yield Stage(settings, container, workers, redis)


@pytest.fixture
def stage(tmp_path: Path, redis: RunningRedis) -> Iterator[Stage]:
    with open_stage(tmp_path, redis) as opened:
        yield opened
