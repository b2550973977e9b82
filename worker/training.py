"""One attempt at a round: claim, freeze, train in a process of its own, judge. Every step may be the first
one again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from adapters.bootstrap import Container
from adapters.disk import mapped_disk_errors
from loop.errors import (
    BadInput,
    Conflict,
    LeaseLost,
    NotFound,
    OutOfMemory,
    OutOfSpace,
    SonoloopError,
    Unavailable,
)
from loop.rounds import (
    claim,
    fail,
    freeze,
    hand_back,
    judge_and_promote,
    mark_cancelled,
    record_candidate,
    reopen,
)
from loop.training_records import Round, RoundState
from trainer.job import JobSpec, read_job
from trainer.recipes import Recipe
from worker.folder import RoundFolder, drop_weights_of_others
from worker.job import Facts, build_job, choose_recipe, gather_facts, read_outcomes
from worker.memory import too_little_memory
from worker.process import Event
from worker.stopping import Interrupted, Stopping
from worker.supervision import Crashed, see_through
from worker.watch import Cancelled, TookTooLong, Watch

EVALUATIONS = 2
"""How often a candidate is compared anew because the champion changed meanwhile."""

Train = Callable[[Path, Callable[[Iterable[Event]], None]], Event]
"""Runs the job of a file, tells of its events, and returns the last one (`worker.supervision.see_through`).
"""

log = structlog.get_logger()


def run_round(container: Container, round_id: int, stopping: Stopping) -> None:
    """Bring the round to its end, or as far as this attempt comes; what is left, the next attempt does."""
    try:
        claimed = claim(container.round_ports, container.round_rules, round_id)
    except (Conflict, NotFound) as exc:
        log.info("round_not_claimed", round=round_id, reason=exc.message)
        tidy(container)
        return
    with structlog.contextvars.bound_contextvars(
        project=claimed.project_id, round=claimed.id, attempt=claimed.attempt
    ):
        log.info("round_claimed", state=claimed.state)
        if claimed.state.is_live:
            Attempt(container, claimed, stopping).run()
        tidy(container)


class Attempt:
    """A claimed round on its way; a `LeaseLost` anywhere means that another attempt has it: nothing more is
    written.
    """

    def __init__(
        self, container: Container, claimed: Round, stopping: Stopping, train: Train | None = None
    ) -> None:
        self._container = container
        self._train_job = train or partial(see_through, niceness=container.settings.training_niceness)
        self._ports, self._rules = container.round_ports, container.round_rules
        self._round = claimed
        self._folder = RoundFolder(container.settings.root, claimed.id)
        limit = container.settings.hard_limit_seconds
        self._watch = Watch(self._ports, self._rules, claimed, limit, stopping.is_asked)

    def run(self) -> None:
        """Go through all steps and see to it that whatever ends them stands in the round's row."""
        try:
            with mapped_disk_errors():
                self._go()
        except LeaseLost as exc:
            log.warning("lease_lost", reason=exc.message)
        except Cancelled:
            with suppress(LeaseLost):
                mark_cancelled(self._ports, self._round)
                log.info("round_cancelled")
        except Interrupted:
            with suppress(LeaseLost):
                hand_back(self._ports, self._round)
                log.info("round_handed_back")
        except OutOfSpace as exc:  # another try would need the same room
            self._fail(exc.message, is_final=True)
        except (Crashed, Unavailable) as exc:
            self._fail(exc.message, is_final=False)
        except TookTooLong:
            self._fail(f"it took longer than {self._container.settings.hard_limit_seconds} s", is_final=True)
        except SonoloopError as exc:
            self._fail(exc.message, is_final=True)
        except Exception as exc:  # the outermost shell: a bug must not leave the round hanging
            log.error("round_failed_unforeseen", exc_info=exc)
            self._fail(f"an error that nobody foresaw ({type(exc).__name__})", is_final=False)

    def _go(self) -> None:
        for _ in range(EVALUATIONS):
            self._watch.beat()
            facts = gather_facts(self._container, self._round)
            result = self._earlier_result(facts) or self._train(facts)
            if self._is_judged(result, facts):
                return
        raise Unavailable("a champion that changed during every evaluation", "one that stays", "try again")

    def _earlier_result(self, facts: Facts) -> Mapping[str, Any] | None:
        """What an attempt left that died between the end of the training and the verdict."""
        result = self._folder.result()
        champion = facts.champion.id if facts.champion else None
        if result is not None and result["champion_id"] == champion:
            with suppress(BadInput):
                read_outcomes(Path(result["evaluation"]))
                return result
        if self._round.state is RoundState.GATING:
            self._round = reopen(self._ports, self._round)
        return None

    def _train(self, facts: Facts) -> Mapping[str, Any]:
        self._watch.beat(phase="preparing")
        self._round, training_set = freeze(self._ports, self._rules, self._round, facts.origin)
        tried = [self._recipe(facts)]
        for is_last in (tried[0].batch == 1, True):
            out = self._folder.new_try(self._round.attempt)
            job = build_job(self._container, self._round, training_set, facts, tried[-1], out)
            try:
                return self._result(self._see_through(job), facts)
            except OutOfMemory as exc:
                if is_last:
                    raise too_little_memory(tried, facts.project) from exc
                tried.append(tried[-1].smaller())
                log.warning("out_of_memory", next_batch=tried[-1].batch)
        raise AssertionError("the last try returns or raises")

    def _recipe(self, facts: Facts) -> Recipe:
        """The one of the try before, whose checkpoint fits no other."""
        earlier = self._folder.newest_job()
        return read_job(earlier).recipe if earlier else choose_recipe(self._container, facts.project)

    def _see_through(self, job: JobSpec) -> Event:
        job = replace(job, resume_from=self._folder.newest_checkpoint())
        path = job.out / "job.json"
        job.write(path)
        return self._train_job(path, self._look)

    def _look(self, events: Iterable[Event]) -> None:
        for event in events:
            if event.get("event") == "set-aside":
                self._set_aside(str(event.get("frame_id")), str(event.get("message")))
            elif event.get("event") == "epoch":
                self._measure(event)
            elif event.get("event") == "start" and event.get("absent"):
                log.warning("training_classes_absent", classes=event["absent"])
        self._watch.look(events)

    def _measure(self, epoch: Event) -> None:
        metrics = self._container.worker_metrics
        metrics.epochs.observe(float(epoch.get("seconds", 0)))
        for device, size in epoch.get("peak_bytes", {}).items():
            metrics.training_memory.labels(device).set(size)

    def _set_aside(self, frame_id: str, message: str) -> None:
        log.warning("training_frame_set_aside", frame=int(frame_id), reason=message)
        with self._container.database.write() as uow:
            uow.marks.set_aside("training-frame", frame_id, message, self._container.clock())
            uow.commit()

    def _result(self, done: Event, facts: Facts) -> Mapping[str, Any]:
        """Store the weights by their digest before anything names them, then note how the training ended."""
        self._container.storage.put("models", done["digest"], Path(done["weights"]).read_bytes())
        champion = facts.champion.id if facts.champion else None
        result = {**done, "champion_id": champion}
        self._folder.keep_result(result)
        return result

    def _is_judged(self, result: Mapping[str, Any], facts: Facts) -> bool:
        """Register and judge; False when the champion changed meanwhile, so that another evaluation is
        needed.
        """
        self._watch.beat(phase="judging")
        candidate, champion = read_outcomes(Path(result["evaluation"]))
        self._round, version = record_candidate(
            self._ports,
            self._round,
            digest=result["digest"],
            origin=facts.origin,
            config=result["config"],
            metrics=result["metrics"],
        )
        try:
            ended = judge_and_promote(
                self._ports,
                self._rules,
                self._round,
                candidate=candidate,
                champion=champion,
                champion_id=result["champion_id"],
            )
        except LeaseLost:
            raise
        except Conflict:
            self._round = reopen(self._ports, self._round)
            self._folder.forget_result()
            return False
        log.info("round_judged", state=ended.state, version=version.name, reason=_reason(ended))
        return True

    def _fail(self, error: str, *, is_final: bool) -> None:
        try:
            row = fail(self._ports, self._rules, self._round, error, is_final=is_final)
        except LeaseLost:
            return
        except Unavailable as exc:  # the lease runs out, and the sweeper finds the round
            log.error("round_failure_not_noted", error=error, reason=exc.message)
            return
        log.error("round_attempt_failed", error=error, state=row.state)


def _reason(row: Round) -> str:
    return row.verdict.reason if row.verdict else ""


def tidy(container: Container) -> None:
    """Remove the weights that rounds left which are over, whoever ended them. Raises Unavailable."""
    with container.database.read() as uow:
        live = [uow.rounds.live(project.id) for project in uow.projects.list()]
    drop_weights_of_others(container.settings.root, {row.id for row in live if row is not None})
