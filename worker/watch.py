"""Holding a round while its training process runs: the lease, progress, and every reason to stop."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import structlog

from loop.errors import LeaseLost, Unavailable
from loop.planning import RoundPorts, RoundRules
from loop.rounds import heartbeat
from loop.training_records import Round
from worker.process import Event
from worker.stopping import Interrupted

BEAT_SECONDS = 1.0
SHOWN = ("epoch", "epochs", "step", "steps", "loss", "dice", "eta_seconds")

log = structlog.get_logger()


class Cancelled(Exception):
    """Somebody asked for the round to stop."""


class TookTooLong(Exception):
    """The training reached its time limit."""


class Watch:
    """Called with the events of a training process, a few times a second; raises to have it stopped.

    Once a second the lease is renewed together with the progress, in one small transaction that also tells of
    a cancel request. A database that does not answer is borne until the lease would have run out.
    """

    def __init__(
        self,
        ports: RoundPorts,
        rules: RoundRules,
        claimed: Round,
        limit_seconds: float,
        is_ending: Callable[[], bool],
    ) -> None:
        self._ports = ports
        self._rules = rules
        self._round = claimed
        self._is_ending = is_ending
        self._until = time.monotonic() + limit_seconds
        self._beaten = self._held = time.monotonic()
        self._progress: dict[str, Any] = {}

    def look(self, events: Iterable[Event]) -> None:
        """Raises Cancelled, Interrupted, TookTooLong, LeaseLost."""
        for event in events:
            self._progress |= progress_of(event)
        if self._is_ending():
            raise Interrupted
        if time.monotonic() > self._until:
            raise TookTooLong
        if time.monotonic() - self._beaten >= BEAT_SECONDS:
            self.beat()

    def beat(self, **progress: object) -> None:
        """Renew the lease and store the progress now. Raises Cancelled, LeaseLost."""
        self._progress |= progress
        self._beaten = time.monotonic()
        try:
            row = heartbeat(self._ports, self._rules, self._round.id, self._round.attempt, self._progress)
        except Unavailable as exc:
            if self._beaten - self._held > self._rules.lease_seconds:
                raise LeaseLost(
                    "no answer from the database for longer than a lease", "stop", round=self._round.id
                ) from exc
            log.warning("heartbeat_missed", round=self._round.id, reason=exc.message)
            return
        self._held = self._beaten
        if row.is_cancel_requested:
            raise Cancelled


def progress_of(event: Event) -> Mapping[str, Any]:
    """What an event says of where the training is; empty for other events."""
    kind = event.get("event")
    if kind == "start":
        return {"phase": "training", "resumed": event.get("resumed"), "base": event.get("base")}
    if kind not in ("step", "epoch"):
        return {}
    shown = {name: event[name] for name in SHOWN if name in event}
    is_last = kind == "epoch" and event.get("epoch") == event.get("epochs")
    return {**shown, "phase": "evaluating" if is_last else "training"}
