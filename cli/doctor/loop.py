"""The loop at work: webhooks arrive, what was set aside is seen, rounds move."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta

from adapters.label_studio.api import Api, understood
from adapters.label_studio.client import LabelStudioClient
from adapters.label_studio.lists import filter_by
from adapters.services.programs import WORKER_LIGHT, WORKER_TRAIN
from cli.doctor.advice import SEE_WHO_SENDS, START, see_log
from cli.doctor.findings import Check, Finding, fail, ok, warn
from cli.doctor.installation import Installation, ask
from cli.services import is_stopped
from loop.errors import NotFound
from loop.events import TASKS_DELETED, parse_event
from loop.records import Project
from loop.training_records import Round, RoundState
from loop.unreadable import TODO, count_unreadable, unreadable_labels

ARRIVAL_SECONDS = 4.0
PROBE = "sonoloop-doctor"
LONG_DEAD = timedelta(minutes=5)
LOOK_SECONDS = 0.2


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
    todo = START + "; " + SEE_WHO_SENDS + " (labels arrive every 30 s all the same)"
    return fail(got, "one", todo)


def _key(task: int, remote: int) -> str:
    """Of the event that tells that the task was deleted."""
    event = parse_event({"action": TASKS_DELETED, "tasks": [{"id": task}], "project": remote})
    return event.key if event else ""


def _probes(api: Api, remote: int) -> list[int]:
    query = {"filters": {"conjunction": "and", "items": [filter_by("data.frame", "equal", "String", PROBE)]}}
    try:
        found = ask(
            api, "/api/tasks/", project=remote, query=json.dumps(query), fields="task_only", include="id"
        )
    except NotFound:
        return []
    return [int(each["id"]) for each in found["tasks"]]


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
        return warn(f"round {stuck[0]} waits for worker-train", "it running", START)
    if stuck:
        return fail(f"round {stuck[0]} held by nobody", "a worker that takes it", see_log(WORKER_TRAIN))
    if refused:
        return warn("a change that Label Studio refuses to follow", "it taken", see_log(WORKER_LIGHT))
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
