"""Wake-up calls over a real Redis: what arrives, and what a sender loses when nobody answers."""

from __future__ import annotations

import base64
import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from adapters.queue import BackgroundQueue, CeleryQueue
from cli.system_parts import REDIS
from loop.errors import Unavailable
from loop.ports import Job
from tests.conftest import demand
from tests.services.homes import make_settings
from tests.services.redis import RunningRedis, running_redis

pytestmark = pytest.mark.services


@pytest.fixture(params=["bundled", "of the system"])
def redis(request: pytest.FixtureRequest) -> Iterator[RunningRedis]:
    executable = "" if request.param == "bundled" else str(demand(REDIS))
    with running_redis(executable) as server:
        yield server


@pytest.fixture
def queue(redis: RunningRedis, tmp_path: Path) -> Iterator[CeleryQueue]:
    made = CeleryQueue(make_settings(tmp_path, redis_url=redis.url))
    yield made
    made.close()


def waiting(redis: RunningRedis, name: str) -> list[tuple[str, dict[str, object]]]:
    """(job, ids) of the messages in a queue, oldest first."""
    client = Redis(unix_socket_path=str(redis.socket))
    messages = [json.loads(text) for text in reversed(client.lrange(name, 0, -1))]
    return [(m["headers"]["task"], json.loads(base64.b64decode(m["body"]))[1]) for m in messages]


def test_a_call_goes_to_its_queue_as_a_name_and_ids(redis: RunningRedis, queue: CeleryQueue) -> None:
    queue.enqueue(Job.TRAIN, round_id=3)
    queue.enqueue(Job.RECONCILE, project_id=1, full=True)
    assert waiting(redis, "train") == [(Job.TRAIN, {"round_id": 3})]
    assert waiting(redis, "light") == [(Job.RECONCILE, {"project_id": 1, "full": True})]


def test_a_call_outlives_a_restart_of_redis(redis: RunningRedis, queue: CeleryQueue) -> None:
    queue.enqueue(Job.TRAIN, round_id=3)
    time.sleep(1.1)  # Redis writes its log to disk once a second
    redis.kill()
    with pytest.raises(Unavailable, match="the sweeper repeats"):
        queue.enqueue(Job.SWEEP)
    assert not queue.is_up()
    redis.start()
    assert queue.is_up()
    queue.enqueue(Job.SWEEP)
    assert waiting(redis, "train") == [(Job.TRAIN, {"round_id": 3})]


@pytest.mark.parametrize("is_frozen", [True, False])
def test_nobody_waits_long_for_a_redis_that_does_not_answer(
    redis: RunningRedis, queue: CeleryQueue, is_frozen: bool
) -> None:
    queue.enqueue(Job.SWEEP)
    redis.signal(signal.SIGSTOP) if is_frozen else redis.kill()
    began = time.perf_counter()
    with pytest.raises(Unavailable):
        queue.enqueue(Job.SWEEP)
    assert time.perf_counter() - began < 15, "it waited for Redis"
    assert queue.workers(0.1) == set()


def test_in_the_background_a_call_costs_nothing_and_equal_ones_become_one(
    redis: RunningRedis, queue: CeleryQueue
) -> None:
    background = BackgroundQueue(queue)
    redis.signal(signal.SIGSTOP)
    began = time.perf_counter()
    for _ in range(200):
        background.enqueue(Job.INGEST)
    background.enqueue(Job.RECONCILE, project_id=2)
    assert time.perf_counter() - began < 10, "it waited for Redis"
    redis.signal(signal.SIGCONT)
    background.close()
    calls = waiting(redis, "light")
    assert 1 <= calls.count((Job.INGEST, {})) <= 3
    assert calls[-1] == (Job.RECONCILE, {"project_id": 2})
