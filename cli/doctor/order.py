"""The order at work: the queue is served from its beginning; where it is not, what is really the matter."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from adapters.label_studio.api import Api, understood
from adapters.label_studio.session import ReaderSession
from adapters.label_studio.users import (
    draw_visitor,
    ensure_reader,
    holds_work,
    is_visitor,
    list_accounts,
    remove_account,
)
from adapters.services.control import status
from adapters.services.programs import LABEL_STUDIO, WORKER_LIGHT, WORKER_TRAIN
from cli.doctor.advice import START, START_IT, see_log
from cli.doctor.findings import Finding, State, fail, ok, warn
from cli.doctor.installation import Installation
from cli.doctor.mirrored import judge, look
from loop.records import Project
from loop.sweep import followed_mark, followed_name

WORKERS = (WORKER_LIGHT, WORKER_TRAIN)
SERVING = (LABEL_STUDIO, WORKER_LIGHT)
SETTLING_SECONDS = 60.0
"""So long after their start they may have something to make up for."""
LATE_SECONDS = 30.0
"""A change in Label Studio that waits so long for the mirror is stuck."""
SEE_LOG = see_log(WORKER_LIGHT, "says why; the order follows once the mirror is level")


@understood
def order(installation: Installation, project: Project) -> Finding:
    """The queue is served from its beginning; right after a start, or while it is drawn anew, not yet.

    Where it is not, the light worker may be silent or the mirror behind: then frames that were read already
    count as unread here, and the order itself may be right.
    """
    finding = _served(installation, project)
    if finding.state is not State.FAIL:
        return finding
    if _has_just_begun(installation):
        return _not_yet(finding)
    if cause := find_cause(installation, project):
        return Finding(cause.state, f"{finding.got}, since {cause.got}", cause.need, cause.todo)
    return finding if _is_followed(installation, project) else _not_yet(finding)


def find_cause(installation: Installation, project: Project) -> Finding | None:
    """What keeps the order from being up to date: a light worker that does not answer, or one that does and
    yet does not bring the mirror on; None where neither is so.
    """
    with installation.queue() as queue:
        if WORKER_LIGHT not in queue.workers(seconds=2.0, limit=len(WORKERS)):
            todo = see_log(WORKER_LIGHT, "says why; ") + START_IT + ", and Redis"
            return fail("worker-light does not answer", "an answer within 2 s", todo)
    with installation.unit() as uow:
        inbox = uow.figures.inbox()
    if inbox.oldest is not None:
        late = (datetime.now(UTC) - inbox.oldest).total_seconds()
        waits = f"changes that wait for the mirror: {inbox.pending}, the first for {late:.0f} s"
        if late < LATE_SECONDS:
            return warn(waits, "none", "look again in a minute")
        return fail(f"the mirror is stuck, though worker-light answers; {waits}", "none", SEE_LOG)
    level = judge(installation, project, look(installation, project))
    if level.state is State.OK:
        return None
    behind = f"the mirror is behind, though worker-light answers: {level.got}"
    return Finding(level.state, behind, level.need, SEE_LOG if level.state is State.FAIL else level.todo)


def _not_yet(finding: Finding) -> Finding:
    todo = "nothing: the order is just being brought up to date; look again in a minute"
    return warn(f"not yet: {finding.got}", finding.need, todo)


def _has_just_begun(installation: Installation) -> bool:
    """Whether what serves the order may have something to make up for."""
    serving = [each for each in status(installation.settings) if each.name in SERVING]
    return any(each.state in ("running", "starting") and each.seconds < SETTLING_SECONDS for each in serving)


def _is_followed(installation: Installation, project: Project) -> bool:
    """Whether the light worker has brought the predictions up to the champion."""
    with installation.unit() as uow:
        return uow.marks.cursor(followed_name(project.id)) == followed_mark(uow, project)


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
    with installation.label_studio() as api, visitor(api) as session:
        served, others = session.next_task(int(project.label_studio_id or 0)), len(list_accounts(api)) - 1
    if served is None:
        return ok("nothing left to read") if not queue else fail("no task", "the first of the queue", START)
    if served.id not in queue:
        return fail(
            "a task outside the queue" if queue else "a task before the queue is drawn",
            "the first of the queue",
            "wait a minute; " + see_log(WORKER_LIGHT),
        )
    place = queue.index(served.id)
    if place > others:
        return fail(f"the task at place {place + 1}", f"one of the first {others + 1}", START)
    return ok(f"place {place + 1} of {len(queue)} was served")


@contextmanager
def visitor(api: Api) -> Iterator[ReaderSession]:
    """A reader of the doctor's own, whose account is removed again; of earlier ones, those that hold no work:
    whoever took such an address by the invitation and labelled with it is a person.
    """
    for account in list_accounts(api):
        if is_visitor(account.email) and not holds_work(api, account.id):  # of a doctor who was killed
            remove_account(api, account.id)
    session = ensure_reader(api, draw_visitor(), secrets.token_urlsafe(16))
    try:
        yield session
    finally:
        session.close()
        remove_account(api, session.user_id)
