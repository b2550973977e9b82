"""The health checks of workers and beat tell the truth, on a real Redis."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from adapters.services.configuration import expansions, settings_environment
from adapters.services.heartbeat import mark_beat, seconds_since_beat
from adapters.settings import Settings
from tests.integration.worker.conftest import ROOT, Stage
from tests.machine import wait_until

pytestmark = [pytest.mark.services, pytest.mark.slow]


def check(settings: Settings, role: str) -> int:
    """What a container's health check runs, and what it answers."""
    return subprocess.run(
        [sys.executable, "-m", "worker.health", role],
        cwd=ROOT,
        env={**os.environ, **settings_environment(settings), **expansions()},
        capture_output=True,
        check=False,
    ).returncode


def test_a_worker_gives_way_and_is_well_while_it_takes_messages_and_not_while_it_hangs(
    stage: Stage,
) -> None:
    assert check(stage.settings, "light") == 1
    stage.workers.settings = stage.settings.model_copy(update={"training_niceness": 18})
    worker = stage.workers.start("light")
    wait_until(lambda: check(stage.settings, "light") == 0, "a well worker")
    assert check(stage.settings, "train") == 1, "another one's answer does not count"
    assert os.getpriority(os.PRIO_PROCESS, worker.pid) == os.getpriority(os.PRIO_PROCESS, 0) + 9, (
        "its drawing must not keep readers' requests waiting"
    )
    worker.send_signal(signal.SIGSTOP)
    assert check(stage.settings, "light") == 1
    worker.send_signal(signal.SIGCONT)
    wait_until(lambda: check(stage.settings, "light") == 0, "a well worker")
    stage.redis.kill()
    assert check(stage.settings, "light") == 1


def test_beat_is_well_while_the_queue_takes_its_calls(stage: Stage) -> None:
    assert check(stage.settings, "beat") == 1
    settings = stage.settings.model_copy(update={"sweep_seconds": 1})
    stage.workers.settings = settings
    stage.workers.start("beat")
    wait_until(lambda: seconds_since_beat(settings) < 5, "a beat")
    assert check(settings, "beat") == 0
    stage.redis.kill()
    time.sleep(1.5)  # a call that was under way is through
    mark = settings.socket_dir / "beat"
    os.utime(mark, (time.time() - 20, time.time() - 20))
    time.sleep(2.5)
    assert seconds_since_beat(settings) > 20, "a call that nobody takes leaves no mark"


def test_a_mark_that_is_old_or_of_the_future_is_no_sign_of_life(stage: Stage) -> None:
    mark_beat(stage.settings)
    assert check(stage.settings, "beat") == 0
    for then in (time.time() - 120, time.time() + 120):
        os.utime(stage.settings.socket_dir / "beat", (then, then))
        assert check(stage.settings, "beat") == 1


def test_an_unknown_role_is_refused(stage: Stage) -> None:
    assert check(stage.settings, "nobody") == 2
