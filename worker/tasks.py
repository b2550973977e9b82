"""The tasks: each is one call of the loop. They take ids, may run twice, and leave what fails to the next
wake-up.
"""

from __future__ import annotations

import functools
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta

import structlog
from celery import Celery

from adapters.bootstrap import Container
from adapters.metrics.instruments import WorkerMetrics
from loop import full_looks
from loop.errors import SonoloopError, Unavailable
from loop.ingest import Tally, drain_inbox, reconcile
from loop.planning import plan, wake
from loop.ports import Job
from loop.preannotate import Progress, follow_champion
from loop.records import Project
from loop.serving import relay_outbox
from loop.sweep import sweep
from loop.training_records import Round
from loop.watching import note_reconciled
from loop.withdrawing import withdraw_outdated
from worker.stopping import Interrupted, Stopping
from worker.training import run_round, tidy

UPKEEP_SECONDS = 3600.0
"""How often the files of the storage are looked after; the first time when the worker begins."""
STORAGE = 0
"""Stands for the storage among the projects that are looked at; their numbers begin with 1."""

log = structlog.get_logger()


def register(app: Celery, container: Container, stopping: Stopping) -> None:
    """Give the app its tasks."""
    tasks = Tasks(container, stopping)
    calls: dict[str, Callable[..., None]] = {
        Job.TRAIN: tasks.train,
        Job.INGEST: tasks.ingest,
        Job.RECONCILE: tasks.reconcile,
        Job.PREANNOTATE: tasks.preannotate,
        Job.RELAY: tasks.relay,
        Job.SWEEP: tasks.sweep,
    }
    for job, call in calls.items():
        app.task(guarded(job, call, container.worker_metrics), name=job)


def guarded(job: str, call: Callable[..., None], metrics: WorkerMetrics) -> Callable[..., None]:
    """The outermost shell of a task: what we raise on purpose becomes a log line, and the sweeper's next call
    the repetition; anything else is a bug and goes to Celery's log with its traceback.
    """

    @functools.wraps(call)
    def run(**ids: object) -> None:
        began, outcome = time.monotonic(), "crashed"
        with structlog.contextvars.bound_contextvars(job=job, **_log_names(ids)):
            try:
                call(**ids)
                outcome = "done"
            except Unavailable as exc:
                outcome = "put_off"
                log.warning("task_put_off", reason=exc.message)
            except SonoloopError as exc:
                outcome = "failed"
                log.error("task_failed", reason=exc.message)
            finally:
                name = job.removeprefix("sonoloop.")
                metrics.tasks.labels(name, outcome).observe(time.monotonic() - began)

    return run


def _log_names(ids: Mapping[str, object]) -> dict[str, object]:
    """The ids of a message as log lines name them: `round_id` is `round` there."""
    return {name.removesuffix("_id"): value for name, value in ids.items() if name.endswith("_id")}


class Tasks:
    """What the messages of `loop.ports.Job` set off."""

    def __init__(self, container: Container, stopping: Stopping) -> None:
        self._container = container
        self._stopping = stopping
        # A look that takes long is not begun twice; another process may, which costs time and nothing else.
        self._looking: defaultdict[int, threading.Lock] = defaultdict(threading.Lock)
        self._next_upkeep = time.monotonic()

    def train(self, round_id: int) -> None:
        """Bring one round on."""
        run_round(self._container, round_id, self._stopping)

    def ingest(self) -> None:
        """Follow the inbox, then look whether a round is due."""
        tally = drain_inbox(self._container.ingest_ports)
        self._count("webhook", tally)
        if tally:
            log.info("inbox_drained", **{kind.name.lower(): count for kind, count in tally.items()})
            ports, rules = self._container.round_ports, self._container.round_rules
            planned = [plan(ports, rules, project.id).round for project in self._projects(None)]
            _tell_of(round_ for round_ in planned if round_ is not None)

    def reconcile(self, project_id: int | None = None, full: bool = False) -> None:
        """Look for changes that no webhook told of, in one project or in all; once a day at everything, and
        once an hour at the storage's files.
        """
        for project in self._projects(project_id):
            if project.label_studio_id is not None:
                self._once(project.id, functools.partial(self._reconcile_alone, project, full))
        if time.monotonic() >= self._next_upkeep:
            self._once(STORAGE, self._look_after_storage)

    def preannotate(self, project_id: int) -> None:
        """Bring predictions and the queue's order up to the champion."""
        container = self._container
        try:
            done = follow_champion(
                container.preannotate_ports, container.preannotate_rules, project_id, self._go_on
            )
        except Interrupted:
            log.info("champion_followed_in_part", project=project_id)
            return
        container.worker_metrics.pushed.inc(done.pushed)
        if done.reason:
            log.info("champion_not_followed", project=project_id, reason=done.reason)
            return
        log.info(
            "champion_followed",
            project=project_id,
            version=done.version,
            pushed=done.pushed,
            set_aside=done.set_aside,
            has_switched=done.has_switched,
        )

    def relay(self) -> None:
        """Let Label Studio follow the outbox, then its predictions the champion."""
        for project_id in relay_outbox(self._container.serving_ports):
            (project,) = self._projects(project_id)
            if project.label_studio_id is not None:  # else it is being made, and the sweeper calls once it is
                wake(self._container.queue, Job.PREANNOTATE, project_id=project_id)

    def sweep(self) -> None:
        """Wake workers for what nobody holds, and plan rounds that are due."""
        swept = sweep(self._container.round_ports, self._container.round_rules)
        _tell_of(swept.planned)
        for round_ in swept.ended:
            ids = {"project": round_.project_id, "round": round_.id, "attempt": round_.attempt}
            log.warning("round_ended_by_sweeper", **ids, state=round_.state, error=round_.error)
        if swept.ended:
            tidy(self._container)

    def _go_on(self, _: Progress) -> None:
        """Raises Interrupted when the worker is asked to end: what was done is kept, and taken up again."""
        if self._stopping.is_asked():
            raise Interrupted

    def _once(self, subject: int, look: Callable[[], None]) -> None:
        if self._looking[subject].acquire(blocking=False):
            try:
                look()
            finally:
                self._looking[subject].release()

    def _look_after_storage(self) -> None:
        """Remove what interrupted writes left, bring back frames that Label Studio could not serve, and keep
        the database's own statistics fresh.
        """
        storage = self._container.storage
        removed = storage.remove_leftovers()
        published = storage.publish(self._digests())
        self._container.database.renew_statistics()
        self._next_upkeep = time.monotonic() + UPKEEP_SECONDS
        log.info("storage_looked_after", leftovers_removed=removed, frames_published=published)

    def _digests(self) -> Iterator[str]:
        """Those of all frames; asked of the database only where the storage wants to know."""
        for project in self._projects(None):
            with self._container.database.read() as uow:
                frames = uow.frames.list(project.id)
            yield from (frame.digest for frame in frames)

    def _reconcile_alone(self, project: Project, full: bool) -> None:
        """What is wrong with one project (deleted in Label Studio, say) keeps no other from being looked at.

        Raises Unavailable: then there is nothing to be had for the others either.
        """
        try:
            self._reconcile(project, full)
        except Unavailable:
            raise
        except SonoloopError as exc:
            log.error("project_not_reconciled", project=project.id, reason=exc.message)

    def _reconcile(self, project: Project, full: bool) -> None:
        now = self._container.clock()
        with self._container.database.read() as uow:
            is_full = full or full_looks.is_due(uow, project.id, now)
        tally = reconcile(self._container.ingest_ports, project.id, full=is_full)
        self._count("reconciler", tally)
        if is_full:
            with self._container.database.write() as uow:
                full_looks.note(uow, project.id, now)
                uow.commit()
            self._withdraw(project)
        lost = note_reconciled(self._container.database, self._container.clock, project.id)
        if lost:
            log.warning("webhooks_lost", project=project.id, count=lost)
        log.debug("reconciled", project=project.id, full=is_full, annotations=tally.total())

    def _count(self, found_by: str, tally: Tally) -> None:
        for outcome, count in tally.items():
            self._container.worker_metrics.mirrored.labels(found_by, outcome.name.lower()).inc(count)

    def _withdraw(self, project: Project) -> None:
        container = self._container
        gone = withdraw_outdated(
            container.preannotate_ports,
            container.preannotate_rules,
            project.id,
            timedelta(minutes=container.settings.lock_minutes),
        )
        for version in gone:
            log.info("predictions_withdrawn", project=project.id, version=version.name)

    def _projects(self, project_id: int | None) -> list[Project]:
        with self._container.database.read() as uow:
            return uow.projects.list() if project_id is None else [uow.projects.get(project_id)]


def _tell_of(planned: Iterable[Round]) -> None:
    for round_ in planned:
        log.info("round_planned", project=round_.project_id, round=round_.id, reason=round_.reason)
