"""The Celery app of the workers: delivery that survives a lost worker, and the schedule of what is looked at
again.
"""

from __future__ import annotations

from celery import Celery
from celery.signals import setup_logging

from adapters.bootstrap import Container
from adapters.queue import LIGHT_QUEUE, celery_config
from adapters.settings import Settings
from loop.ports import Job
from worker.stopping import Stopping
from worker.tasks import register


def make_app(container: Container, stopping: Stopping) -> Celery:
    """The app with every task; `stopping` is raised when the worker is asked to end."""
    app = Celery("sonoloop", broker=container.settings.effective_redis_url, set_as_current=False)
    app.conf.update(celery_config(container.settings))
    app.conf.update(
        broker_connection_max_retries=None,  # a Redis that is away for an hour is waited for
        worker_hijack_root_logger=False,
        worker_disable_rate_limits=True,
        beat_schedule=schedule(container.settings),
    )
    setup_logging.connect(_keep_our_logging, weak=False)
    stopping.listen()
    register(app, container, stopping)
    return app


def schedule(settings: Settings) -> dict[str, dict[str, object]]:
    """What beat repeats, by Celery's names. A wake-up that waited longer than until the next one is thrown
    away.
    """
    every = {
        Job.SWEEP: settings.sweep_seconds,
        Job.INGEST: settings.sweep_seconds,
        Job.RELAY: settings.sweep_seconds,
        Job.RECONCILE: settings.reconcile_seconds,
    }
    return {
        job: {"task": job, "schedule": seconds, "options": {"queue": LIGHT_QUEUE, "expires": seconds}}
        for job, seconds in every.items()
    }


def _keep_our_logging(**_: object) -> None:
    """Celery configures no logging of its own where somebody listens to this signal."""
