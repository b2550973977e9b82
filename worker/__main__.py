"""`python -m worker train|light|beat`: one worker for training, one for everything short, and the clock.

Both workers run their tasks in threads. A task that trains only watches a process of its own; the others
spend their time in the database, in Label Studio and in torch, which computes outside Python; and a thread
hears at once that the worker is asked to end, where a forked child would not.
"""

from __future__ import annotations

import os
import socket
import sys
import warnings
from contextlib import closing, suppress
from typing import Any

import structlog
from celery import Celery
from celery.apps.beat import Beat
from celery.beat import Scheduler
from celery.platforms import SecurityWarning

from adapters.bootstrap import Container, build
from adapters.environment import load_settings
from adapters.logging import configure_logging, log_uncaught
from adapters.metrics.exposition import serve
from adapters.queue import LIGHT_QUEUE, TRAIN_QUEUE
from adapters.services.heartbeat import mark_beat
from adapters.settings import Settings
from loop.errors import SonoloopError, Unavailable
from worker.app import make_app
from worker.stopping import Stopping
from worker.training import tidy

log = structlog.get_logger()

CONCURRENCY = {TRAIN_QUEUE: 1, LIGHT_QUEUE: 4}
"""Following a champion and looking at all of Label Studio may each take a thread for minutes; two are left
for what must not wait for them: new labels, and switching the model.
"""


def main(arguments: list[str]) -> int:
    """Run until SIGTERM or Ctrl-C; 1 for a setting that cannot work, 2 for an unknown role."""
    role = arguments[0] if arguments else ""
    if role not in (*CONCURRENCY, "beat"):
        sys.stderr.write("got no known role; need train, light or beat: python -m worker train\n")
        return 2
    service = role if role == "beat" else f"worker-{role}"
    configure_logging("info", service)  # for what the settings may be refused for
    log_uncaught()
    try:
        settings = load_settings()
        configure_logging(settings.log_level, service)
        with closing(build(settings)) as container:
            app = make_app(container, Stopping())
            if role == LIGHT_QUEUE:
                give_way(settings)
            if role == TRAIN_QUEUE:
                tidy_up(container)
            if role == "beat":
                run_beat(app, settings)
            else:
                show_figures(container)
                run_worker(app, role)
    except SonoloopError as exc:
        log.error("worker_refused", reason=exc.message)
        return 1
    return 0


def give_way(settings: Settings) -> None:
    """Let readers have the processor first. Drawing fills all cores, and Label Studio asks its database a
    hundred times for one Submit: each time it would wait for drawing of its own priority.
    """
    os.nice(settings.training_niceness // 2)  # training, which nobody waits for, gives way further


def tidy_up(container: Container) -> None:
    """Let go of what a round left that ended while no worker was there; a database that is away can wait."""
    with suppress(Unavailable):
        tidy(container)


def show_figures(container: Container) -> None:
    """Let Prometheus read what this process counts, if a port is set for it."""
    settings = container.settings
    if settings.metrics_port:
        container.worker_metrics  # noqa: B018, joins the registry
        serve(
            container.registry,
            settings.backend_host,
            settings.metrics_port,
            settings.backend_user,
            settings.backend_password.get_secret_value(),
        )


def run_worker(app: Celery, queue: str) -> None:
    """Take messages of one queue; a first SIGTERM lets the running tasks come to a safe point."""
    warnings.simplefilter("ignore", SecurityWarning)  # about pickles sent to root: messages are JSON only
    worker = app.Worker(
        queues=[queue],
        concurrency=CONCURRENCY[queue],
        pool="threads",
        hostname=f"worker-{queue}@{socket.gethostname()}",
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
        quiet=True,
    )
    worker.start()


def run_beat(app: Celery, settings: Settings) -> None:
    """Send the scheduled wake-ups; nothing is kept on disk, since all of them may come at any time."""

    class MarkingScheduler(Scheduler):  # type: ignore[misc] # Celery ships no types
        """Leaves a mark for the health check each time that a call was taken."""

        def apply_async(self, *arguments: Any, **options: Any) -> Any:
            sent = super().apply_async(*arguments, **options)
            mark_beat(settings)
            return sent

    Beat(app=app, scheduler_cls=MarkingScheduler, quiet=True, loglevel="INFO").run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
