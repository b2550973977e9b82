"""What the doctor finds behind an order that is wrong, with a real light worker on a real Redis."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from adapters.services.programs import WORKER_LIGHT
from cli.doctor.findings import State
from cli.doctor.installation import Installation
from cli.doctor.order import LATE_SECONDS, find_cause
from loop.ports import Job
from loop.records import Project
from tests.integration.worker.conftest import Stage
from tests.machine import wait_until
from tests.services.homes import LABEL_STUDIO_PROJECT, NOW, make_home
from tests.services.stand_in import StandIn, standing_in

pytestmark = [pytest.mark.services, pytest.mark.slow]

FRAMES = 3


class Overloaded(StandIn):
    """A Label Studio that still lists when the annotations of a project were changed, and serves none."""

    there = FRAMES

    def answer(self) -> None:
        if self.path.startswith(f"/api/projects/{LABEL_STUDIO_PROJECT}/sonoloop/annotations"):
            rows = [(501 + n, (NOW + timedelta(seconds=n)).isoformat()) for n in range(self.there)]
            self.say(200, json.dumps({"rows": rows, "page": 5000}).encode())
        else:
            self.say(503)


class Ahead(Overloaded):
    """One that has an annotation more than we."""

    there = FRAMES + 1


def at(stage: Stage, url: str) -> tuple[Installation, Project]:
    """The installation with that Label Studio, and its project."""
    settings = stage.settings.model_copy(update={"label_studio_url": url})
    make_home(settings, frames=FRAMES, held_out=1)
    installation = Installation(settings)
    (project,) = installation.projects()
    return installation, project


def start_light(stage: Stage, url: str) -> None:
    stage.workers.start("light", label_studio_url=url)
    queue = stage.container.queue
    wait_until(lambda: WORKER_LIGHT in queue.workers(), "a light worker")


def hear(stage: Stage, age: float) -> None:
    """A webhook tells of an annotation; so many seconds ago."""
    now = datetime.now(UTC) - timedelta(seconds=age)
    with stage.container.database.write() as uow:
        uow.inbox.add(
            key=f"heard-{age}",
            action="ANNOTATION_UPDATED",
            label_studio_project=LABEL_STUDIO_PROJECT,
            annotation_ids=[501],
            task_ids=[],
            now=now,
        )
        uow.commit()
    stage.container.queue.enqueue(Job.INGEST)


def test_a_light_worker_that_is_silent_is_the_cause(stage: Stage) -> None:
    with standing_in(Overloaded) as url:
        cause = find_cause(*at(stage, url))
    assert cause is not None
    assert (cause.state, cause.got) == (State.FAIL, "worker-light does not answer")


def test_an_event_that_cannot_be_followed_is_the_cause_once_it_is_old(stage: Stage) -> None:
    with standing_in(Overloaded) as url:
        installation, project = at(stage, url)
        start_light(stage, url)
        assert find_cause(installation, project) is None
        hear(stage, age=0)
        wait_until(lambda: "task_put_off" in stage.log(), "the event tried")
        soon = find_cause(installation, project)
        hear(stage, age=2 * LATE_SECONDS)
        late = find_cause(installation, project)
    assert soon is not None
    assert late is not None
    assert (soon.state, late.state) == (State.WARN, State.FAIL)
    assert "the mirror is stuck, though worker-light answers; changes that wait for the mirror: 2" in late.got


def test_labels_that_nobody_told_of_are_the_cause(stage: Stage) -> None:
    with standing_in(Ahead) as url:
        installation, project = at(stage, url)
        start_light(stage, url)
        cause = find_cause(installation, project)
    assert cause is not None
    assert cause.state is State.FAIL
    assert f"of {FRAMES + 1} annotations in Label Studio: 1 missing here (number {501 + FRAMES})" in cause.got
