"""When a round is planned, by which rules rounds go, and the wake-up call for the worker that trains."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta

from loop.errors import Unavailable
from loop.gate import GateRule
from loop.policy import LabelCounts, Trigger, TriggerRule, should_retrain
from loop.ports import Clock, Database, Job, Queue, UnitOfWork
from loop.records import Project
from loop.training_records import Round, RoundState


@dataclass(frozen=True)
class RoundPorts:
    """What rounds need."""

    database: Database
    queue: Queue
    clock: Clock


@dataclass(frozen=True)
class RoundRules:
    """How rounds go: when one is due, how it is judged, how long a silent worker keeps it, and how often it
    is tried.
    """

    trigger: TriggerRule = field(default_factory=TriggerRule)
    gate: GateRule = field(default_factory=GateRule)
    inner_fraction: float = 0.15
    lease_seconds: float = 60.0
    max_attempts: int = 3
    seed: int = 0

    @property
    def lease(self) -> timedelta:
        """How long a claim holds without a heartbeat."""
        return timedelta(seconds=self.lease_seconds)


@dataclass(frozen=True)
class Planned:
    """The new round, if one was due, and why (not)."""

    round: Round | None
    trigger: Trigger


JUDGED = frozenset({RoundState.PROMOTED, RoundState.REJECTED})
"""How a round ends that the gate has judged."""

HANDED_BACK = "handed_back"
"""In a round's progress: how many attempts ended because their worker was asked to end."""


def tries(row: Round) -> int:
    """How often a round was really tried: attempts that a worker handed back do not count."""
    return row.attempt - int(row.progress.get(HANDED_BACK, 0))


def wake(queue: Queue, job: str, **ids: int | str | bool) -> None:
    """Send a wake-up call; a broker that is away loses nothing, because the sweeper repeats the call."""
    with suppress(Unavailable):
        queue.enqueue(job, **ids)


def plan(ports: RoundPorts, rules: RoundRules, project_id: int, *, is_forced: bool = False) -> Planned:
    """Plan a round when the rule (or a person) asks for one and none is live. Raises NotFound."""
    with ports.database.read() as uow:
        trigger = decide_to_plan(uow, rules, project_id, is_forced=is_forced)
    if not trigger.is_due:
        return Planned(None, trigger)
    with ports.database.write() as uow:
        trigger = decide_to_plan(uow, rules, project_id, is_forced=is_forced)
        if not trigger.is_due:
            return Planned(None, trigger)
        planned = uow.rounds.add(
            project_id,
            reason=trigger.reason,
            seed=rules.seed + len(uow.rounds.list(project_id)) + 1,
            label_count=uow.masks.count_trainable(project_id),
            now=ports.clock(),
        )
        uow.after_commit(lambda: wake(ports.queue, Job.TRAIN, round_id=planned.id))
        uow.commit()
    return Planned(planned, trigger)


def decide_to_plan(
    uow: UnitOfWork, rules: RoundRules, project_id: int, *, is_forced: bool = False
) -> Trigger:
    """Whether a round is due now. Raises NotFound."""
    project = uow.projects.get(project_id)
    live = uow.rounds.live(project_id)
    if live is not None:
        return Trigger(False, f"round {live.number} is {live.state}")
    rule = trigger_rule(project, rules.trigger)
    trigger = should_retrain(count_labels(uow, project_id), rule, is_forced=is_forced)
    if is_forced or not trigger.is_due:
        return trigger
    return _not_at_once_again(uow, project_id, rule, trigger)


def _not_at_once_again(uow: UnitOfWork, project_id: int, rule: TriggerRule, due: Trigger) -> Trigger:
    """Let a round that failed or was cancelled not begin again by itself with the same labels.

    The next sweep would undo the cancel, and a failure would come again and again.
    """
    last = uow.rounds.newest(project_id)
    if last is None or last.state in JUDGED:
        return due
    counts = count_labels(uow, project_id)
    further = replace(counts, new=_count_new(uow, last))
    trigger = should_retrain(further, rule)
    if trigger.is_due:
        return due
    return Trigger(
        False,
        f"{trigger.reason} since round {last.number}, which ended {last.state}; {counts.new} new masks wait: "
        "./sonoloop round starts one now",
    )


def trigger_rule(project: Project, default: TriggerRule) -> TriggerRule:
    """The project's own rule, from its settings `min_new_labels` and `min_growth`, else the home's."""
    own = project.settings
    return TriggerRule(
        min_new=int(own.get("min_new_labels", default.min_new)),
        growth=float(own.get("min_growth", default.growth)),
    )


def count_labels(uow: UnitOfWork, project_id: int) -> LabelCounts:
    """Count what the trigger looks at: masks that may teach, so none of held-out frames, nor of frames with a
    label that cannot be read.

    A mask is new when it came after what the last round with a verdict learned; a round that failed or was
    cancelled leaves its labels to the next one.
    """
    judged = uow.rounds.newest(project_id, JUDGED)
    may_teach = uow.masks.may_teach(project_id)
    if judged is None:
        return LabelCounts(uow.masks.count_to_learn(project_id), 0, may_teach)
    digest = judged.training_set_digest
    taught = uow.rounds.count_taught(digest) if digest else 0
    return LabelCounts(_count_new(uow, judged), taught, may_teach)


def _count_new(uow: UnitOfWork, since: Round) -> int:
    """By the order in which they were stored, which no clock can turn back; a round that froze nothing has
    its time alone.
    """
    digest = since.training_set_digest
    newest = uow.rounds.newest_taught(digest) if digest else None
    if newest is None:
        return uow.masks.count_to_learn(since.project_id, recorded_after=since.created_at)
    return uow.masks.count_to_learn(since.project_id, after=newest)
