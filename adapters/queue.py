"""The wake-up calls for the workers, sent through Celery by task name: a message carries a name and ids,
never state.

Losing one loses nothing (the sweeper repeats it), so sending never waits long: a broker that does not answer
costs the caller a fraction of a second, and a caller that must not wait at all takes `BackgroundQueue`.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import structlog
from celery import Celery
from kombu.exceptions import KombuError
from redis.exceptions import RedisError

from adapters.settings import Settings
from loop.errors import Unavailable
from loop.ports import Job, Queue

TRAIN_QUEUE = "train"
LIGHT_QUEUE = "light"
QUEUE_OF_JOB = {
    Job.TRAIN: TRAIN_QUEUE,
    Job.INGEST: LIGHT_QUEUE,
    Job.RECONCILE: LIGHT_QUEUE,
    Job.PREANNOTATE: LIGHT_QUEUE,
    Job.RELAY: LIGHT_QUEUE,
    Job.SWEEP: LIGHT_QUEUE,
}
ANSWER_SECONDS = 0.25  # how long a sender waits for the broker, for connecting and for each answer
VISIBILITY_MARGIN_SECONDS = 3600

Call = tuple[str, Mapping[str, int | str | bool]]

log = structlog.get_logger()


def celery_config(settings: Settings) -> dict[str, Any]:
    """What senders and workers must agree on.

    A message is acknowledged when its task has ended, and comes back if the worker is lost; it may only come
    back after the longest task can have ended, else Redis would hand out a second copy of a running one.
    """
    return {
        "task_serializer": "json",
        "accept_content": ["json"],
        "task_ignore_result": True,
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "task_default_queue": LIGHT_QUEUE,
        "task_routes": {job: {"queue": queue} for job, queue in QUEUE_OF_JOB.items()},
        "task_create_missing_queues": True,
        "worker_prefetch_multiplier": 1,
        "broker_connection_retry_on_startup": True,
        "broker_transport_options": {
            "visibility_timeout": settings.hard_limit_seconds + VISIBILITY_MARGIN_SECONDS
        },
        "enable_utc": True,
        "timezone": "UTC",
    }


class CeleryQueue(Queue):
    """Sends by task name, so that no sender imports the workers."""

    def __init__(self, settings: Settings) -> None:
        """Nothing is connected before the first message."""
        self._app = Celery("sonoloop", broker=settings.effective_redis_url, set_as_current=False)
        self._app.conf.update(celery_config(settings))
        self._app.conf.broker_connection_timeout = ANSWER_SECONDS
        self._app.conf.broker_transport_options |= {
            "socket_connect_timeout": ANSWER_SECONDS,
            "socket_timeout": ANSWER_SECONDS,
            "max_retries": 0,
        }

    def enqueue(self, job: str, **ids: int | str | bool) -> None:
        """Send the message, within a second. Raises Unavailable when the broker does not answer."""
        try:
            self._app.send_task(job, kwargs=ids, queue=QUEUE_OF_JOB[job], retry=False)
        except (KombuError, OSError) as exc:
            raise Unavailable(
                f"no answer from the queue for {job} ({exc})",
                "a running Redis or Valkey",
                "nothing is lost: the sweeper repeats the call; see `sonoloop status`",
                **ids,
            ) from exc

    def is_up(self) -> bool:
        """Whether the broker answers."""
        try:
            with self._app.connection_for_read() as connection:
                return bool(connection.default_channel.client.ping())
        except (KombuError, OSError, RedisError):
            return False

    def lengths(self) -> dict[str, int]:
        """How many messages wait in each queue. Raises Unavailable."""
        try:
            with self._app.connection_for_read() as connection:
                client = connection.default_channel.client
                return {queue: int(client.llen(queue)) for queue in (TRAIN_QUEUE, LIGHT_QUEUE)}
        except (KombuError, OSError, RedisError) as exc:
            raise Unavailable(f"no answer from the queue ({exc})", "a running Redis or Valkey") from exc

    def workers(self, seconds: float = 1.0, limit: int | None = None) -> set[str]:
        """Names of the workers that answer within `seconds`, or sooner when `limit` have; empty when the
        broker does not.
        """
        try:
            answers = self._app.control.inspect(timeout=seconds, limit=limit).ping() or {}
        except (KombuError, OSError, RedisError):
            return set()
        return {name.split("@")[0] for name in answers}

    def runs_of(self, job: str, seconds: float = 1.0) -> int | None:
        """How many messages of this job the workers that answer have taken up; None where none answers."""
        try:
            answers = self._app.control.inspect(timeout=seconds).stats() or {}
        except (KombuError, OSError, RedisError):
            return None
        return sum(each["total"].get(job, 0) for each in answers.values()) if answers else None

    def answers(self, name: str, seconds: float) -> bool:
        """Whether the worker of exactly that name and host answers within `seconds`."""
        try:
            return bool(self._app.control.ping(destination=[name], timeout=seconds, limit=1))
        except (KombuError, OSError, RedisError):
            return False

    def close(self) -> None:
        """Give the connections back."""
        self._app.close()


class BackgroundQueue(Queue):
    """Sends from a thread of its own: `enqueue` returns at once, and equal calls that still wait become one.

    A call that cannot be sent is logged and dropped, for the sweeper to repeat.
    """

    def __init__(self, queue: Queue, limit: int = 1000) -> None:
        """`limit`: how many different calls may wait; the oldest is dropped beyond it."""
        self._queue = queue
        self._limit = limit
        self._waiting: OrderedDict[tuple[object, ...], Call] = OrderedDict()
        self._changed = threading.Condition()
        self._is_closed = False
        self._thread = threading.Thread(target=self._send_all, name="queue-sender", daemon=True)
        self._thread.start()

    def enqueue(self, job: str, **ids: int | str | bool) -> None:
        """Note the call and return."""
        with self._changed:
            self._waiting[(job, *sorted(ids.items()))] = (job, ids)
            if len(self._waiting) > self._limit:
                self._waiting.popitem(last=False)
            self._changed.notify()

    def close(self, timeout: float = 2.0) -> None:
        """Send what waits, then stop the thread."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        self._thread.join(timeout)

    def _send_all(self) -> None:
        while (call := self._next()) is not None:
            job, ids = call
            try:
                self._queue.enqueue(job, **ids)
            except Unavailable as exc:
                log.warning("wake_up_not_sent", job=job, reason=exc.message, **ids)

    def _next(self) -> Call | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_closed)
            return self._waiting.popitem(last=False)[1] if self._waiting else None
