"""The tasks' shell: what they put off, what they look at again, and when they stop."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from adapters.bootstrap import Container
from adapters.metrics.instruments import WorkerMetrics, new_registry
from adapters.queue import celery_config
from loop.errors import BadRequest, NotFound, Unavailable
from loop.ports import Job
from loop.remote import RemoteTask
from loop.serving import note_served, put_into_service
from tests.fakes.clock import ManualClock
from tests.fakes.label_studio import FakeLabelStudio
from tests.fakes.label_studio_people import StoredTask
from tests.services.homes import make_home, make_settings
from worker.app import make_app, schedule
from worker.stopping import Stopping
from worker.tasks import Tasks, guarded


class ListeningLabelStudio(FakeLabelStudio):
    """Remembers since when it was asked for changes."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[datetime | None] = []

    def tasks_changed_since(self, project_id: int, since: datetime | None) -> Iterator[RemoteTask]:
        self.asked.append(since)
        return iter(())

    def task_ids(self, project_id: int) -> set[int]:
        return set(range(101, 120))


class HomeWithFake(Container):
    """A home whose Label Studio lives in this process."""

    @cached_property
    def label_studio(self) -> ListeningLabelStudio:  # type: ignore[override]
        return ListeningLabelStudio()


@pytest.fixture
def container(tmp_path: Path) -> HomeWithFake:
    settings = make_settings(tmp_path, redis_url=f"redis+socket://{tmp_path}/none.sock", min_new_labels=5)
    make_home(settings, frames=6, held_out=1)
    return HomeWithFake(settings, ManualClock())


def test_what_is_raised_on_purpose_becomes_a_line_and_a_figure_and_leaves_the_worker_alive() -> None:
    registry = new_registry()
    metrics = WorkerMetrics(registry)

    def raise_one(error: Exception) -> None:
        raise error

    with capture_logs() as lines:
        guarded(Job.RELAY, lambda: raise_one(Unavailable("no answer")), metrics)()
        guarded(Job.RELAY, lambda: raise_one(BadRequest("an impossible one")), metrics)()
    assert [(line["event"], line["log_level"]) for line in lines] == [
        ("task_put_off", "warning"),
        ("task_failed", "error"),
    ]
    with pytest.raises(ZeroDivisionError):
        guarded(Job.RELAY, lambda: raise_one(ZeroDivisionError()), metrics)()
    guarded(Job.RELAY, lambda: None, metrics)()
    for outcome in ("put_off", "failed", "crashed", "done"):
        labels = {"job": "relay", "outcome": outcome}
        assert registry.get_sample_value("sonoloop_task_duration_seconds_count", labels) == 1


def test_label_studio_is_looked_at_as_a_whole_once_a_day(container: HomeWithFake) -> None:
    tasks, clock = Tasks(container, Stopping()), container.clock
    assert isinstance(clock, ManualClock)
    with container.database.write() as uow:
        uow.marks.set_cursor("reconcile-1", clock.present.isoformat())
        uow.commit()
    tasks.reconcile()
    tasks.reconcile()
    clock.advance(timedelta(hours=25).total_seconds())
    tasks.reconcile(project_id=1)
    asked = container.label_studio.asked
    assert [since is None for since in asked] == [True, False, True]


def test_a_project_that_was_deleted_keeps_no_other_from_being_looked_at(container: HomeWithFake) -> None:
    with container.database.write() as uow:
        gone = uow.projects.get(1)
        other = uow.projects.add("Another", ["Vein"], {})
        uow.projects.set_label_studio_id(other.id, 77)
        uow.commit()

    class Studio(ListeningLabelStudio):
        def tasks_changed_since(self, project_id: int, since: datetime | None) -> Iterator[RemoteTask]:
            if project_id == gone.label_studio_id:
                raise NotFound("nothing at Label Studio")
            return super().tasks_changed_since(project_id, since)

    studio = Studio()
    container.__dict__["label_studio"] = studio
    with capture_logs() as lines:
        Tasks(container, Stopping()).reconcile()
    assert studio.asked == [None]
    assert [line["project"] for line in lines if line["event"] == "project_not_reconciled"] == [gone.id]


def test_old_predictions_are_withdrawn_once_a_day(container: HomeWithFake) -> None:
    clock, studio = container.clock, container.label_studio
    assert isinstance(clock, ManualClock)
    with container.database.write() as uow:
        project_id = uow.projects.get(1).label_studio_id or 0
        old = uow.models.get(uow.projects.get(1).champion_id or 0)
        note_served(uow, 1, old.id, clock())
        for number in (1, 2):
            newer = uow.models.add(
                1,
                digest=f"{number:064x}",
                round_id=None,
                origin="file",
                config={},
                metrics={},
                now=clock(),
            )
            put_into_service(uow, 1, newer.id, clock())
            note_served(uow, 1, newer.id, clock())
        uow.commit()
    studio.model_versions[project_id] = newer.name
    studio.tasks[101] = StoredTask(101, project_id, {}, clock())
    studio.push_live(101, old.name)
    clock.advance(timedelta(hours=26).total_seconds())
    Tasks(container, Stopping()).reconcile()
    assert not studio.stored_predictions


def test_a_new_worker_removes_what_interrupted_writes_left_and_publishes_missing_frames(
    tmp_path: Path,
) -> None:
    settings = make_settings(
        tmp_path, redis_url=f"redis+socket://{tmp_path}/none.sock", storage_url=f"file://{tmp_path}/store"
    )
    make_home(settings, frames=3, held_out=1)
    served = sorted((settings.frames_dir / "all").glob("*.png"))
    served[0].unlink()
    leftover = settings.frames_dir / "all" / ".writing-abc"
    leftover.touch()
    os.utime(leftover, (0, 0))
    tasks = Tasks(HomeWithFake(settings, ManualClock()), Stopping())
    with capture_logs() as lines:
        tasks.reconcile()
        tasks.reconcile()
    assert sorted((settings.frames_dir / "all").iterdir()) == served
    (line,) = (line for line in lines if line["event"] == "storage_looked_after")
    assert (line["leftovers_removed"], line["frames_published"]) == (1, 1)


def test_a_storage_that_is_away_keeps_nobody_from_looking_at_label_studio(tmp_path: Path) -> None:
    settings = make_settings(
        tmp_path, redis_url=f"redis+socket://{tmp_path}/none.sock", storage_url=f"file://{tmp_path}/store"
    )
    make_home(settings, frames=3, held_out=1)
    next((settings.frames_dir / "all").glob("*.png")).unlink()
    (tmp_path / "store").rename(tmp_path / "away")
    (tmp_path / "store").symlink_to("store")  # every look at it fails
    container = HomeWithFake(settings, ManualClock())
    with capture_logs() as lines:
        guarded(Job.RECONCILE, Tasks(container, Stopping()).reconcile, container.worker_metrics)()
    assert container.label_studio.asked == [None]
    assert [line["event"] for line in lines if line["log_level"] == "warning"] == ["task_put_off"]


def test_a_sweep_plans_the_round_that_is_due(container: HomeWithFake) -> None:
    with capture_logs() as lines:
        Tasks(container, Stopping()).sweep()
        Tasks(container, Stopping()).sweep()
    assert [line["event"] for line in lines].count("round_planned") == 1


def test_a_label_that_makes_a_round_due_plans_it_at_once(container: HomeWithFake) -> None:
    with container.database.write() as uow:
        uow.inbox.add(
            key="deleted",
            action="ANNOTATIONS_DELETED",
            label_studio_project=None,
            annotation_ids=[501],
            task_ids=[],
            now=container.clock(),
        )
        uow.commit()
    with capture_logs() as lines:
        Tasks(container, Stopping()).ingest()
    assert [line["event"] for line in lines] == ["inbox_drained", "round_planned"]


def test_every_job_has_its_task_and_its_queue(container: HomeWithFake) -> None:
    app = make_app(container, Stopping())
    jobs = {value for name, value in vars(Job).items() if name.isupper()}
    assert jobs <= set(app.tasks)
    assert jobs == set(celery_config(container.settings)["task_routes"])
    assert set(schedule(container.settings)) <= jobs


def test_messages_survive_a_lost_worker_and_are_never_handed_out_twice(container: HomeWithFake) -> None:
    conf = make_app(container, Stopping()).conf
    assert conf.task_acks_late
    assert conf.task_reject_on_worker_lost
    assert conf.worker_prefetch_multiplier == 1
    assert conf.accept_content == ["json"]
    assert conf.broker_transport_options["visibility_timeout"] > container.settings.hard_limit_seconds
