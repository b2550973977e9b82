"""The life of a training round: planned, claimed under a lease, frozen, trained, judged.

Every write of a worker carries the attempt that it claimed; one whose lease went to another writes nothing. A
crash between any two steps leaves a row from which the next attempt goes on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from loop.errors import Conflict, IllegalMove, LeaseLost
from loop.judging import judge_round, serving_weights
from loop.manifest import build_training_set
from loop.outcomes import FrameOutcome
from loop.planning import HANDED_BACK, Planned, RoundPorts, RoundRules, plan, tries, wake
from loop.policy import check_move
from loop.ports import Job, UnitOfWork
from loop.records import ModelVersion
from loop.serving import put_into_service
from loop.training_records import Round, RoundState, TrainingSet


def claim(ports: RoundPorts, rules: RoundRules, round_id: int) -> Round:
    """Take the lease for a new attempt; go on only while the returned round `state.is_live`.

    A round that was to be cancelled is cancelled instead, one that was tried too often fails. Raises Conflict
    when it is over or another attempt holds it.
    """
    with ports.database.write() as uow:
        now = ports.clock()
        claimed = uow.rounds.claim(round_id, now=now, until=now + rules.lease)
        if claimed.is_cancel_requested:
            claimed = _move(ports, uow, claimed, RoundState.CANCELLED)
        elif tries(claimed) > rules.max_attempts:
            error = claimed.error or "its workers were lost"
            claimed = _move(
                ports, uow, claimed, RoundState.FAILED, error=f"{error} ({rules.max_attempts} attempts)"
            )
        uow.commit()
    return claimed


def heartbeat(
    ports: RoundPorts,
    rules: RoundRules,
    round_id: int,
    attempt: int,
    progress: Mapping[str, Any] | None = None,
) -> Round:
    """Prolong the lease, store progress and return the row, which says whether to stop. Raises LeaseLost."""
    with ports.database.write() as uow:
        renewed = uow.rounds.renew(round_id, attempt, until=ports.clock() + rules.lease)
        if progress is not None:
            kept = {name: renewed.progress[name] for name in (HANDED_BACK,) if name in renewed.progress}
            uow.rounds.set_progress(round_id, attempt, {**progress, **kept})
        uow.commit()
    return renewed


def freeze(ports: RoundPorts, rules: RoundRules, claimed: Round, base: str) -> tuple[Round, TrainingSet]:
    """Freeze the labels once and go to training; a later attempt gets the same set. Frames with a label that
    cannot be read stay out until it can.

    `base` says what the weights start from. Raises BadRequest when nothing may teach (fail the round),
    LeaseLost.
    """
    with ports.database.write() as uow:
        row = _mine(uow, claimed.id, claimed.attempt)
        if row.training_set_digest is not None:
            return row, uow.rounds.training_set(row.training_set_digest)
        frames = {frame.id: frame for frame in uow.frames.list(row.project_id)}
        masks = uow.masks.readable(row.project_id)
        training_set = build_training_set(masks, frames, rules.inner_fraction, rules.seed)
        uow.rounds.save_training_set(training_set)
        changes = {"training_set_digest": training_set.digest, "base": base}
        row = _move(ports, uow, row, RoundState.TRAINING, **changes)
        uow.commit()
    return row, training_set


def record_candidate(
    ports: RoundPorts,
    claimed: Round,
    *,
    digest: str,
    origin: str,
    config: Mapping[str, Any],
    metrics: Mapping[str, Any],
) -> tuple[Round, ModelVersion]:
    """Register the trained weights (their file is stored already) and go to the gate; twice gives the same
    version.

    Raises LeaseLost, IllegalMove.
    """
    with ports.database.write() as uow:
        row = _mine(uow, claimed.id, claimed.attempt)
        candidate = uow.models.add(
            row.project_id,
            digest=digest,
            round_id=row.id,
            origin=origin,
            config=config,
            metrics=metrics,
            now=ports.clock(),
        )
        if row.state is not RoundState.GATING or row.candidate_id != candidate.id:
            row = _move(ports, uow, row, RoundState.GATING, candidate_id=candidate.id)
        uow.commit()
    return row, candidate


def judge_and_promote(
    ports: RoundPorts,
    rules: RoundRules,
    claimed: Round,
    *,
    candidate: Sequence[FrameOutcome],
    champion: Sequence[FrameOutcome] | None,
    champion_id: int | None,
) -> Round:
    """Decide and apply in one transaction: the round's end with its verdict, and on promotion alias and
    outbox.

    `champion_id` is the version that `champion` outcomes belong to. A round that was to be cancelled until
    now is cancelled instead. Raises Conflict when another serves by
    now (`reopen` the round and evaluate again), LeaseLost, BadRequest.
    """
    with ports.database.write() as uow:
        row = _mine(uow, claimed.id, claimed.attempt)
        if row.candidate_id is None or row.state is not RoundState.GATING:
            raise IllegalMove("a round without a candidate at the gate", "a recorded candidate", round=row.id)
        if row.is_cancel_requested:
            cancelled = _move(ports, uow, row, RoundState.CANCELLED)
            uow.commit()
            return cancelled
        serving = serving_weights(uow, row.project_id)
        if (serving.id if serving else None) != champion_id:
            raise Conflict("an evaluation against a version out of service", "the champion's", round=row.id)
        verdict = judge_round(uow, row, serving, candidate, champion, rules.gate)
        if verdict.is_promoted:
            put_into_service(uow, row.project_id, row.candidate_id, ports.clock())
            uow.after_commit(lambda: wake(ports.queue, Job.RELAY))
        end = RoundState.PROMOTED if verdict.is_promoted else RoundState.REJECTED
        row = _move(ports, uow, row, end, verdict=verdict)
        uow.commit()
    return row


def reopen(ports: RoundPorts, claimed: Round) -> Round:
    """Send a round back from the gate, its evaluation lost or out of date. Raises LeaseLost, IllegalMove."""
    with ports.database.write() as uow:
        row = _move(ports, uow, _mine(uow, claimed.id, claimed.attempt), RoundState.TRAINING)
        uow.commit()
    return row


def fail(
    ports: RoundPorts, rules: RoundRules, claimed: Round, error: str, *, is_final: bool = False
) -> Round:
    """Note what went wrong: the round fails after its last attempt or when it `is_final`, else it waits for
    the next.

    Raises LeaseLost.
    """
    with ports.database.write() as uow:
        row = _mine(uow, claimed.id, claimed.attempt)
        if is_final or tries(row) >= rules.max_attempts:
            row = _move(ports, uow, row, RoundState.FAILED, error=error)
        else:
            uow.rounds.move(row.id, row.attempt, row.state, now=ports.clock(), error=error)
            uow.rounds.release(row.id, row.attempt)
            row = uow.rounds.get(row.id)
            uow.after_commit(lambda: wake(ports.queue, Job.TRAIN, round_id=row.id))
        uow.commit()
    return row


def hand_back(ports: RoundPorts, claimed: Round) -> Round:
    """Let the next worker have the round at once, without counting this attempt: its worker was asked to end.

    Raises LeaseLost.
    """
    with ports.database.write() as uow:
        row = _mine(uow, claimed.id, claimed.attempt)
        progress = {**row.progress, HANDED_BACK: int(row.progress.get(HANDED_BACK, 0)) + 1}
        uow.rounds.set_progress(row.id, row.attempt, progress)
        uow.rounds.release(row.id, row.attempt)
        uow.after_commit(lambda: wake(ports.queue, Job.TRAIN, round_id=row.id))
        uow.commit()
    return row


def cancel(ports: RoundPorts, project_id: int) -> Round | None:
    """Ask the live round to stop; one that nobody works on is cancelled at once. None: no round is live."""
    with ports.database.write() as uow:
        live = uow.rounds.live(project_id)
        if live is None:
            return None
        uow.rounds.request_cancel(live.id)
        if any(waiting.id == live.id for waiting in uow.rounds.expired(ports.clock())):
            _move(ports, uow, live, RoundState.CANCELLED)
        row = uow.rounds.get(live.id)
        uow.commit()
    return row


def mark_cancelled(ports: RoundPorts, claimed: Round) -> Round:
    """End a round whose holder has stopped because it was asked to. Raises LeaseLost."""
    with ports.database.write() as uow:
        row = _move(ports, uow, _mine(uow, claimed.id, claimed.attempt), RoundState.CANCELLED)
        uow.commit()
    return row


def _mine(uow: UnitOfWork, round_id: int, attempt: int) -> Round:
    row = uow.rounds.get(round_id)
    if row.attempt != attempt:
        raise LeaseLost(f"attempt {attempt} of a round at attempt {row.attempt}", todo="stop", round=round_id)
    return row


def _move(ports: RoundPorts, uow: UnitOfWork, row: Round, to: RoundState, **changes: Any) -> Round:
    check_move(row.state, to)
    return uow.rounds.move(row.id, row.attempt, to, now=ports.clock(), **changes)


__all__ = [
    "Planned",
    "RoundPorts",
    "RoundRules",
    "cancel",
    "claim",
    "fail",
    "freeze",
    "hand_back",
    "heartbeat",
    "judge_and_promote",
    "mark_cancelled",
    "plan",
    "record_candidate",
    "reopen",
    "serving_weights",
    "wake",
]
