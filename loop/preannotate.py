"""Following the champion: every open frame gets its drawing and its place, then Label Studio switches.

Everything is found again by its key, so a run that was cut short anywhere goes on where it stopped: rows by
(frame, version), masks by digest, pushed predictions by listing what Label Studio holds.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from loop.errors import BadRequest, Conflict, LeaseLost
from loop.following import (
    OnProgress,
    Overtaken,
    PreannotatePorts,
    PreannotateRules,
    Progress,
    Run,
    lease_of,
)
from loop.intake import import_missing
from loop.leases import Lease
from loop.pushing import drop_deleted_tasks, list_held, push, read_placed
from loop.selecting import Pool, arrivals, look_at_pool, place_arrivals, record_selection, select_first
from loop.serving import ServingPorts, switch
from loop.sweep import followed_name
from loop.taking_back import take_back_drawn


@dataclass(frozen=True)
class Followed:
    """What a run did: the version that it brought in, and counts of frames; `reason`: why it did nothing."""

    version: str | None
    pushed: int
    set_aside: int
    has_switched: bool
    reason: str = ""


def follow_champion(
    ports: PreannotatePorts, rules: PreannotateRules, project_id: int, on_progress: OnProgress | None = None
) -> Followed:
    """Draw, rank and push predictions of the version in service, and make Label Studio serve it.

    Held-out and blind frames get a place with nothing drawn; a version without weights draws nothing at all.
    One run a project: a second one returns at once. When the champion changes, the run begins again with the
    new one. Raises Unavailable, OutOfSpace (call again: it goes on), BadWeights, NotFound, BadRequest.
    """
    lease = lease_of(ports, rules, project_id)
    try:
        with lease.kept():
            return _follow_latest(ports, rules, project_id, lease, on_progress or _pass_over)
    except LeaseLost as error:
        return Followed(None, 0, 0, False, error.message)


def _follow_latest(
    ports: PreannotatePorts, rules: PreannotateRules, project_id: int, lease: Lease, on_progress: OnProgress
) -> Followed:
    while True:
        try:
            return _follow(_begin(ports, rules, project_id, lease, on_progress))
        except Overtaken:
            continue


def _begin(
    ports: PreannotatePorts, rules: PreannotateRules, project_id: int, lease: Lease, on_progress: OnProgress
) -> Run:
    with ports.database.write() as uow:
        project = uow.projects.get(project_id)
        version = None if project.champion_id is None else uow.models.get(project.champion_id)
        if version is not None and version.withdrawn_at is not None:
            uow.models.set_withdrawn(version.id, None)  # it is about to be pushed again
            uow.commit()
    if version is None or project.label_studio_id is None:
        raise BadRequest("a project without a champion or a Label Studio project", todo="run `sonoloop up`")
    return Run(ports, rules, project, project.label_studio_id, version, lease, on_progress)


def _follow(run: Run) -> Followed:
    _bring_tasks_in_line(run)
    pool = look_at_pool(run)
    read_placed(run)
    take_back_drawn(run)
    if not run.placed:
        select_first(run, pool)
    list_held(run)
    queue = pool.queue(run)
    pushed = push(run, queue[: run.rules.push_limit])
    if pushed:
        list_held(run)  # before anybody can be served one of them
    run.check_in()
    has_switched = _switch(run)
    pushed += push(run, queue)
    more, pool = _bring_arrivals(run)
    pushed += more
    list_held(run)
    record_selection(run, pool)
    has_switched = has_switched or _switch(run)
    with run.ports.database.write() as uow:
        uow.marks.set_cursor(followed_name(run.project.id), pool.mark)
        uow.commit()
    return Followed(run.version.name, pushed, len(run.broken), has_switched)


def _bring_arrivals(run: Run) -> tuple[int, Pool]:
    """Place and push what has no place yet, a batch at a time, then what came meanwhile; returns how many
    were pushed, and the pool when nothing was left.
    """
    pushed, pool = 0, look_at_pool(run)
    while waiting := arrivals(run, pool):
        for start in range(0, len(waiting), run.rules.push_limit):
            batch = waiting[start : start + run.rules.push_limit]
            pushed += push(run, place_arrivals(run, pool, batch))
        pool = look_at_pool(run)
    return pushed, pool


def _bring_tasks_in_line(run: Run) -> None:
    drop_deleted_tasks(run)
    with suppress(Conflict):  # an intake is at it, and wakes us when it is done
        import_missing(_serving_ports(run), run.project)


def _switch(run: Run) -> bool:
    return switch(_serving_ports(run), run.project, run.version)


def _serving_ports(run: Run) -> ServingPorts:
    return ServingPorts(run.ports.database, run.ports.label_studio, run.ports.clock)


def _pass_over(_: Progress) -> None:
    """Nobody watches the progress."""


__all__ = ["Followed", "PreannotatePorts", "PreannotateRules", "Progress", "follow_champion"]
