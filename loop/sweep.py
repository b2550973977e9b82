"""The sweeper finds work that nobody holds and wakes a worker for it: a lost message loses nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from loop.planning import Planned, RoundPorts, RoundRules, plan, tries, wake
from loop.policy import check_move
from loop.ports import Job, UnitOfWork
from loop.records import Project
from loop.serving import proposes_nothing
from loop.training_records import Round, RoundState
from loop.watching import note_swept

WAKE_AGAIN = timedelta(seconds=30)

Call = tuple[str, dict[str, int | str | bool]]


@dataclass(frozen=True)
class Swept:
    """What a sweep did: rounds it planned, rounds it ended, and the wake-up calls it sent."""

    planned: tuple[Round, ...]
    ended: tuple[Round, ...]
    calls: tuple[Call, ...]


def sweep(ports: RoundPorts, rules: RoundRules) -> Swept:
    """End rounds that are cancelled or were tried too often, plan those that are due, and wake workers for
    the rest.

    The same call is sent at most once in 30 seconds. Safe to run twice at once.
    """
    ended, waiting = _end_or_keep(ports, rules)
    with ports.database.read() as uow:
        projects = uow.projects.list()
        calls = [*_calls_for_rounds(waiting), *_calls_for_messages(uow)]
        calls += [call for project in projects for call in _calls_for_project(uow, project)]
    planned = [plan(ports, rules, project.id) for project in projects]
    sent = [call for call in calls if _may_wake(ports, call)]
    for job, ids in sent:
        wake(ports.queue, job, **ids)
    return Swept(_rounds_of(planned), tuple(ended), tuple(sent))


def followed_mark(uow: UnitOfWork, project: Project) -> str:
    """What changes when predictions have to be brought up to date: the champion and whether it proposes, or
    how many frames have tasks.
    """
    without_task = len(uow.frames.without_task(project.id))
    mark = f"{project.champion_id}:{uow.frames.count(project.id)}:{without_task}"
    champion = None if project.champion_id is None else uow.models.get(project.champion_id)
    return f"{mark}:undrawn" if champion and proposes_nothing(champion, project) else mark


def _end_or_keep(ports: RoundPorts, rules: RoundRules) -> tuple[list[Round], list[Round]]:
    ended, waiting = [], []
    with ports.database.write() as uow:
        for row in uow.rounds.expired(ports.clock(), rules.lease):
            end = _end_of(row, rules)
            if end is None:
                waiting.append(row)
                continue
            check_move(row.state, end)
            error = row.error or ("its workers were lost" if end is RoundState.FAILED else None)
            ended.append(uow.rounds.move(row.id, row.attempt, end, now=ports.clock(), error=error))
        note_swept(uow, ports.clock())
        uow.commit()
    return ended, waiting


def _end_of(row: Round, rules: RoundRules) -> RoundState | None:
    if row.is_cancel_requested:
        return RoundState.CANCELLED
    return RoundState.FAILED if tries(row) >= rules.max_attempts else None


def _calls_for_rounds(rounds: list[Round]) -> list[Call]:
    return [(Job.TRAIN, {"round_id": row.id}) for row in rounds]


def _calls_for_messages(uow: UnitOfWork) -> list[Call]:
    calls: list[Call] = [(Job.INGEST, {})] if uow.inbox.pending(1) else []
    return [*calls, (Job.RELAY, {})] if uow.outbox.pending() else calls


def _calls_for_project(uow: UnitOfWork, project: Project) -> list[Call]:
    if project.label_studio_id is None or project.champion_id is None:
        return []
    if uow.marks.cursor(followed_name(project.id)) == followed_mark(uow, project):
        return []
    return [(Job.PREANNOTATE, {"project_id": project.id})]


def followed_name(project_id: int) -> str:
    """Name of the cursor under which `follow_champion` notes what it has brought up to date."""
    return f"followed-{project_id}"


def _may_wake(ports: RoundPorts, call: Call) -> bool:
    """Whether this call was not sent just now: a long job must not gather a heap of copies behind it."""
    job, ids = call
    name = ":".join(["wake", job, *(str(value) for value in ids.values())])
    with ports.database.write() as uow:
        now = ports.clock()
        is_first = uow.marks.acquire(name, now.isoformat(), now=now, until=now + WAKE_AGAIN)
        uow.commit()
    return is_first


def _rounds_of(planned: list[Planned]) -> tuple[Round, ...]:
    return tuple(item.round for item in planned if item.round is not None)
