"""The loop at work: webhooks arrive, the order is served, the mirror is level, rounds move."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from adapters.label_studio.api import Api, understood
from adapters.label_studio.client import LabelStudioClient
from adapters.label_studio.lists import filter_by
from adapters.label_studio.session import ReaderSession
from adapters.label_studio.users import ensure_reader, list_accounts, remove_account
from adapters.services.control import status
from adapters.services.programs import LABEL_STUDIO, WORKER_LIGHT, WORKER_TRAIN
from cli.doctor.findings import Check, Finding, State, fail, ok, warn
from cli.doctor.installation import Installation, ask
from cli.services import is_stopped
from loop.errors import NotFound
from loop.events import TASKS_DELETED, parse_event
from loop.records import BAD_ANNOTATION, Decision, Project, Round, RoundState
from loop.sweep import followed_mark, followed_name
from loop.unreadable import TODO, count_unreadable, unreadable_labels

ARRIVAL_SECONDS = 4.0
LEVEL_SECONDS = 4.0
PROBE = "sonoloop-doctor"
VISITOR = "doctor@sonoloop.local"
LONG_DEAD = timedelta(minutes=5)
LOOK_SECONDS = 0.2
SERVING = (LABEL_STUDIO, WORKER_LIGHT)
SETTLING_SECONDS = 60.0
"""So long after their start they may have something to make up for."""


@understood
def webhook(installation: Installation, project: Project) -> Finding:
    """Make Label Studio send a real one: a task of our own is made and deleted again, and the inbox has to
    hear of that. The mirror passes over it, since it knows no such task.
    """
    remote = int(project.label_studio_id or 0)
    with installation.label_studio() as api:
        client = LabelStudioClient(api)
        for stray in _probes(api, remote):  # of a doctor who was killed
            api.delete(f"/api/tasks/{stray}/")
        (task,) = client.import_tasks(remote, [{"image": PROBE, "frame": PROBE}])
        key = _key(task, remote)
        with installation.change() as uow:
            uow.inbox.forget(key)  # of an earlier look: Label Studio uses numbers of deleted tasks again
            uow.commit()
        api.delete(f"/api/tasks/{task}/")
    began = time.monotonic()
    while time.monotonic() < began + ARRIVAL_SECONDS:
        with installation.unit() as uow:
            if uow.inbox.has(key):
                return ok("sent by Label Studio and found in the inbox")
        time.sleep(LOOK_SECONDS)
    got = f"none in the inbox {ARRIVAL_SECONDS:.0f} s after Label Studio should have sent one"
    todo = "./sonoloop up; see logs backend and label-studio (labels arrive every 30 s all the same)"
    return fail(got, "one", todo)


def _key(task: int, remote: int) -> str:
    """Of the event that tells that the task was deleted."""
    event = parse_event({"action": TASKS_DELETED, "tasks": [{"id": task}], "project": remote})
    return event.key if event else ""


def _probes(api: Api, remote: int) -> list[int]:
    query = {"filters": {"conjunction": "and", "items": [filter_by("data.frame", "equal", "String", PROBE)]}}
    try:
        found = ask(
            api, "/api/tasks", project=remote, query=json.dumps(query), fields="task_only", include="id"
        )
    except NotFound:
        return []
    return [int(each["id"]) for each in found["tasks"]]


@understood
def order(installation: Installation, project: Project) -> Finding:
    """The queue is served from its beginning; right after a start, or while it is drawn anew, not yet."""
    finding = _served(installation, project)
    if finding.state is State.FAIL and _is_settling(installation, project):
        todo = "nothing: the order is just being brought up to date; look again in a minute"
        return warn(f"not yet: {finding.got}", finding.need, todo)
    return finding


def _is_settling(installation: Installation, project: Project) -> bool:
    """Whether the light worker has yet to follow the champion, or what serves the order has just begun."""
    with installation.unit() as uow:
        is_followed = uow.marks.cursor(followed_name(project.id)) == followed_mark(uow, project)
    serving = [each for each in status(installation.settings) if each.name in SERVING]
    return not is_followed or any(each.seconds < SETTLING_SECONDS for each in serving)


def _served(installation: Installation, project: Project) -> Finding:
    """Ask for the next task as a visitor whose account is made for this and deleted again, lock and all.

    Others may hold one task each, so the visitor's may come as many places later.
    """
    with installation.unit() as uow:
        champion = project.champion_id or 0
        rows = uow.predictions.for_version(project.id, champion)
        read = {mask.frame_id for mask in uow.masks.latest_of_all(project.id) if mask.decision.is_trainable}
        tasks = {frame.id: frame.task_id for frame in uow.frames.list(project.id)}
    placed = sorted((row for row in rows if row.remote_id), key=lambda row: row.place or 0.0)
    queue = [tasks[row.frame_id] for row in placed if row.frame_id not in read]
    with installation.label_studio() as api, _visitor(api) as session:
        served, others = session.next_task(int(project.label_studio_id or 0)), len(list_accounts(api)) - 1
    if served is None:
        return (
            ok("nothing left to read")
            if not queue
            else fail("no task", "the first of the queue", "./sonoloop up")
        )
    if served.id not in queue:
        return fail(
            "a task outside the queue" if queue else "a task before the queue is drawn",
            "the first of the queue",
            "wait a minute; ./sonoloop logs worker-light",
        )
    place = queue.index(served.id)
    if place > others:
        return fail(f"the task at place {place + 1}", f"one of the first {others + 1}", "./sonoloop up")
    return ok(f"place {place + 1} of {len(queue)} was served")


@contextmanager
def _visitor(api: Api) -> Iterator[ReaderSession]:
    for account in list_accounts(api):
        if account.email == VISITOR:  # of a doctor who was killed
            remove_account(api, account.id)
    session = ensure_reader(api, VISITOR, secrets.token_urlsafe(16))
    try:
        yield session
    finally:
        session.close()
        remove_account(api, session.user_id)


@understood
def mirror(installation: Installation, project: Project) -> Finding:
    """As many annotations there as here; a label of this very moment is waited for."""
    until = time.monotonic() + LEVEL_SECONDS
    while True:
        with installation.label_studio() as api:
            remote = ask(api, f"/api/projects/{project.label_studio_id}/")
        there = int(remote["total_annotations_number"]) + int(remote["skipped_annotations_number"])
        with installation.unit() as uow:
            latest = uow.masks.latest_of_all(project.id)
            aside = sum(each.kind == BAD_ANNOTATION for each in uow.marks.list_set_aside())
        here = sum(each.decision is not Decision.DELETED for each in latest)
        if here <= there <= here + aside:
            what = f", {there - here} of them set aside" if there > here else ""
            return ok(f"{there} annotations there and here{what}")
        if time.monotonic() > until:
            every = installation.settings.reconcile_seconds
            todo = f"look again in {2 * every} s; ./sonoloop logs worker-light"
            return fail(f"{there} annotations in Label Studio, {here} here", "the same", todo)
        time.sleep(LOOK_SECONDS)


def set_aside(installation: Installation) -> Finding:
    """Input that could not be used, labels that cannot be read first of all."""
    with installation.unit() as uow:
        count, projects = len(uow.marks.list_set_aside()), uow.projects.list()
        review = sum(len(uow.frames.for_review(each.id)) for each in projects)
        unreadable = [label for each in projects for label in unreadable_labels(uow, each.id)]
    if unreadable:
        others = f"others set aside: {count - len(unreadable)}, skipped by two readers: {review}"
        todo = f"{TODO}; ./sonoloop review has the addresses"
        return warn(f"{count_unreadable(unreadable)}, {others}", "none", todo)
    if count or review:
        return warn(
            f"{count} set aside, {review} skipped by two readers", "none", "./sonoloop review lists them"
        )
    return ok("none")


def rounds(installation: Installation) -> Finding:
    """None that nobody holds, none that failed last; and nothing that Label Studio refuses to follow."""
    now = datetime.now(UTC)
    with installation.unit() as uow:
        listed = [uow.rounds.list(each.id) for each in uow.projects.list()]
        refused = [each for each in uow.outbox.pending() if each.attempts > 1]
    last = [each[-1] for each in listed if each]
    stuck = [each.number for each in last if _is_stuck(each, now)]
    if stuck and is_stopped(installation.settings, WORKER_TRAIN):
        return warn(f"round {stuck[0]} waits for worker-train", "it running", "./sonoloop up")
    if stuck:
        return fail(
            f"round {stuck[0]} held by nobody", "a worker that takes it", "./sonoloop logs worker-train"
        )
    if refused:
        return warn(
            "a change that Label Studio refuses to follow", "it taken", "./sonoloop logs worker-light"
        )
    failed = [each.number for each in last if each.state is RoundState.FAILED]
    if failed:
        return warn(
            f"round {failed[0]} failed", "a verdict", "./sonoloop status says why; then ./sonoloop round"
        )
    return ok(
        f"{sum(map(len, listed))} so far"
        + (", one in progress" if any(e.state.is_live for e in last) else "")
    )


def _is_stuck(row: Round, now: datetime) -> bool:
    return row.state.is_live and (row.lease_until or row.created_at) < now - LONG_DEAD


CHECKS = (Check("set aside", set_aside, after=("database",)), Check("rounds", rounds, after=("database",)))
