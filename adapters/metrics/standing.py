"""What database, broker and disk say at the moment of a scrape; looked at anew every few seconds at most."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from adapters.metrics.catalogue import Kind, Spec, of_home
from adapters.metrics.counting import Counts
from loop.errors import SonoloopError
from loop.messages import Backlog
from loop.ports import Clock, Database, UnitOfWork
from loop.records import Project
from loop.training_records import Round, RoundState
from loop.watching import last_reconciled, last_swept, lost_webhooks

KEPT_SECONDS = 2.0
"""How long an answer is given again, so that impatient scrapers cost the database nothing."""

Family = GaugeMetricFamily | CounterMetricFamily


class Figures:
    """Families of one look, filled line by line."""

    def __init__(self) -> None:
        self.families = {name: _family(name, spec) for name, spec in of_home().items()}

    def add(self, name: str, value: float | None, *labels: object) -> None:
        """One sample; None adds none."""
        if value is not None:
            self.families[name].add_metric([str(label) for label in labels], value)


class StandingCollector(Collector):
    """Collects at a scrape; a part that is away costs its own figures and sets `sonoloop_up` to 0."""

    def __init__(
        self,
        database: Callable[[], Database],
        queue_lengths: Callable[[], Mapping[str, int]],
        root: Path,
        clock: Clock,
    ) -> None:
        self._database = database
        self._queue_lengths = queue_lengths
        self._root = root
        self._clock = clock
        self._lock = threading.Lock()
        self._counts = Counts()
        self._looked: float | None = None
        self._families: list[Family] = []

    def describe(self) -> Iterable[Family]:
        """The families without samples; nothing is opened."""
        return Figures().families.values()

    def collect(self) -> Iterable[Family]:
        """The families with the samples of a look that is at most 2 s old."""
        with self._lock:
            now = time.monotonic()
            if self._looked is None or now - self._looked > KEPT_SECONDS:
                self._families = list(self._look().families.values())
                self._looked = now
            return self._families

    def _look(self) -> Figures:
        figures = Figures()
        for part, look in {"database": self._look_at_database, "queue": self._look_at_queue}.items():
            figures.add("sonoloop_up", self._is_up(look, figures), part)
        with suppress(OSError):
            disk = shutil.disk_usage(self._root)
            figures.add("sonoloop_disk_free_bytes", disk.free)
            figures.add("sonoloop_disk_size_bytes", disk.total)
        return figures

    def _is_up(self, look: Callable[[Figures], None], figures: Figures) -> int:
        try:
            look(figures)
        except SonoloopError:
            return 0
        return 1

    def _look_at_queue(self, figures: Figures) -> None:
        for queue, length in self._queue_lengths().items():
            figures.add("sonoloop_queue_messages", length, queue)

    def _look_at_database(self, figures: Figures) -> None:
        now = self._clock()
        with self._database().read() as uow:
            _look_at_messages(figures, uow, now)
            for project in uow.projects.list():
                _look_at_mirror(figures, uow, project)
                _look_at_rounds(figures, uow, project, now)
                _look_at_champion(figures, uow, project)
            for name, value, labels in self._counts.look(uow):
                figures.add(name, value, *labels)


def _family(name: str, spec: Spec) -> Family:
    kind = CounterMetricFamily if spec.kind is Kind.COUNTER else GaugeMetricFamily
    return kind(name, spec.meaning, labels=spec.labels)


def _look_at_messages(figures: Figures, uow: UnitOfWork, now: datetime) -> None:
    for name, backlog in (("inbox", uow.figures.inbox()), ("outbox", uow.figures.outbox())):
        figures.add(f"sonoloop_{name}_pending", backlog.pending)
        figures.add(f"sonoloop_{name}_oldest_seconds", _age(backlog, now))
    for kind, count in uow.figures.set_aside().items():
        figures.add("sonoloop_set_aside", count, kind)
    figures.add("sonoloop_last_sweep_timestamp_seconds", _timestamp(last_swept(uow)))


def _look_at_mirror(figures: Figures, uow: UnitOfWork, project: Project) -> None:
    reconciled = _timestamp(last_reconciled(uow, project.id))
    figures.add("sonoloop_last_reconcile_timestamp_seconds", reconciled, project.id)
    figures.add("sonoloop_webhooks_lost_total", lost_webhooks(uow, project.id), project.id)


def _look_at_rounds(figures: Figures, uow: UnitOfWork, project: Project, now: datetime) -> None:
    rounds = uow.rounds.list(project.id)
    for state in RoundState:
        count = sum(row.state is state for row in rounds)
        figures.add("sonoloop_rounds", count, project.id, state.value)
    live = next((row for row in rounds if row.state.is_live), None)
    figures.add("sonoloop_round_unheld_seconds", _unheld(live, now) if live else 0, project.id)
    if live:
        figures.add("sonoloop_round_epoch", live.progress.get("epoch", 0), project.id)
        figures.add("sonoloop_round_epochs", live.progress.get("epochs"), project.id)
        figures.add("sonoloop_round_attempt", live.attempt, project.id)


def _look_at_champion(figures: Figures, uow: UnitOfWork, project: Project) -> None:
    if project.champion_id is None:
        return
    champion = uow.models.get(project.champion_id)
    held_out = champion.metrics.get("held_out") or {}
    figures.add("sonoloop_champion_version", champion.number, project.id)
    figures.add("sonoloop_champion_dice", held_out.get("dice_mean_empty_as_one"), project.id)


def _unheld(live: Round, now: datetime) -> float:
    since = live.lease_until or live.created_at
    return max(0.0, (now - since).total_seconds())


def _age(backlog: Backlog, now: datetime) -> float:
    return max(0.0, (now - backlog.oldest).total_seconds()) if backlog.oldest else 0.0


def _timestamp(at: datetime | None) -> float | None:
    return at.timestamp() if at else None
