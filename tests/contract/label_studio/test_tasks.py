"""One contract for the real Label Studio and for the fake: tasks and what readers submit."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from loop.errors import NotFound
from tests.contract.label_studio.pushing import changed, frames, push
from tests.contract.label_studio.stages import NOTHING, VEIN, Stage, drawn


def test_imported_tasks_come_back_in_order_with_their_data(stage: Stage, project: int) -> None:
    data = frames(620)  # more than one batch, and several pages
    ids = stage.studio.import_tasks(project, data)
    assert ids == sorted(set(ids))
    assert stage.studio.task_ids(project) == set(ids)
    found = {task.id: task.data for task in stage.studio.tasks_changed_since(project, None)}
    assert [found[task]["frame"] for task in ids] == [each["frame"] for each in data]


def test_importing_nothing_creates_nothing(stage: Stage, project: int) -> None:
    assert stage.studio.import_tasks(project, []) == []
    assert stage.studio.task_ids(project) == set()
    assert changed(stage, project) == []


def test_changes_are_told_oldest_first_and_from_the_given_moment_on(stage: Stage, project: int) -> None:
    first, second, third = stage.studio.import_tasks(project, frames(3))
    stage.submit(first, VEIN, "ann")
    told = list(stage.studio.tasks_changed_since(project, None))
    assert [task.id for task in told] == [second, third, first]
    assert [task.id for task in stage.studio.tasks_changed_since(project, told[1].updated_at)] == [
        third,
        first,
    ]


@pytest.mark.parametrize("change", ["submit", "skip", "update", "delete", "second submission"])
def test_whatever_is_done_to_annotations_shows_as_a_change_of_the_task(
    stage: Stage, project: int, change: str
) -> None:
    task, _other = stage.studio.import_tasks(project, frames(2))
    annotation = stage.submit(task, VEIN, "ann")
    before = max(stage.studio.tasks_changed_since(project, None), key=lambda each: each.updated_at)
    assert changed(stage, project, after=before) == []
    doings: dict[str, Callable[[], object]] = {
        "submit": lambda: stage.submit(task, NOTHING, "ann"),
        "skip": lambda: stage.skip(task, "bob"),
        "update": lambda: stage.update(annotation, NOTHING, "ann"),
        "delete": lambda: stage.delete_annotation(annotation),
        "second submission": lambda: stage.submit(task, VEIN, "bob"),
    }
    doings[change]()
    assert changed(stage, project, after=before) == [task]


def test_pushed_predictions_are_no_change_of_a_task_but_a_moved_one_is(stage: Stage, project: int) -> None:
    tasks = stage.studio.import_tasks(project, frames(2))
    before = list(stage.studio.tasks_changed_since(project, None))[-1]
    push(stage, project, tasks, "v1", [0.0, 0.5])
    assert changed(stage, project, after=before) == []
    moved = stage.studio.predictions(project, "v1")[1]
    stage.studio.set_score(moved.id, 0.75)
    assert changed(stage, project, after=before) == [moved.task_id]


def test_a_deleted_task_is_gone_everywhere(stage: Stage, project: int) -> None:
    kept, gone = stage.studio.import_tasks(project, frames(2))
    push(stage, project, [kept, gone], "v1", [0.0, 0.5])
    annotation = stage.submit(gone, VEIN, "ann")
    stage.delete_task(gone)
    assert stage.studio.task_ids(project) == {kept}
    assert changed(stage, project) == [kept]
    assert [each.task_id for each in stage.studio.predictions(project, "v1")] == [kept]
    with pytest.raises(NotFound):
        stage.studio.get_task(gone)
    with pytest.raises(NotFound):
        stage.studio.get_annotation(annotation)


def test_an_annotation_carries_who_what_how_long_and_what_was_shown(stage: Stage, project: int) -> None:
    (task,) = stage.studio.import_tasks(project, frames(1))
    push(stage, project, [task], "v1", [0.0])
    (shown,) = stage.studio.predictions(project, "v1")
    key = stage.submit(task, drawn("reader"), "ann", parent=shown.id)
    (annotation,) = stage.studio.get_task(task).annotations
    assert (annotation.id, annotation.task_id, annotation.user_id) == (key, task, stage.user_id("ann"))
    assert (annotation.lead_time, annotation.parent_prediction) == (4.0, shown.id)
    assert annotation.result == drawn("reader")
    assert not annotation.was_cancelled
    assert annotation.created_at.utcoffset() == timedelta(0)
    assert stage.studio.get_annotation(key) == annotation
    (listed,) = stage.studio.tasks_changed_since(project, None)
    assert listed.annotations == (annotation,)


def test_an_update_keeps_the_annotation_and_moves_its_time_on(stage: Stage, project: int) -> None:
    (task,) = stage.studio.import_tasks(project, frames(1))
    key = stage.submit(task, VEIN, "ann")
    before = stage.studio.get_annotation(key)
    stage.update(key, NOTHING, "ann")
    after = stage.studio.get_annotation(key)
    assert list(after.result) == []
    assert after.created_at == before.created_at
    assert after.updated_at > before.updated_at


def test_skips_and_second_submissions_stand_beside_the_first(stage: Stage, project: int) -> None:
    (task,) = stage.studio.import_tasks(project, frames(1))
    keys = [stage.skip(task, "ann"), stage.submit(task, VEIN, "bob"), stage.submit(task, NOTHING, "ann")]
    annotations = stage.studio.get_task(task).annotations
    assert sorted(each.id for each in annotations) == sorted(keys)
    assert [each.was_cancelled for each in sorted(annotations, key=lambda each: each.id)] == [
        True,
        False,
        False,
    ]


def test_unknown_ids_are_not_found(stage: Stage, project: int) -> None:
    calls: list[Callable[[], object]] = [
        lambda: stage.studio.get_task(999_999),
        lambda: stage.studio.get_annotation(999_999),
        lambda: stage.studio.task_ids(999_999),
        lambda: list(stage.studio.tasks_changed_since(999_999, None)),
        lambda: stage.studio.predictions(999_999, "v1"),
        lambda: stage.studio.import_tasks(999_999, frames(1)),
        lambda: stage.studio.set_score(999_999_999, 0.5),
        lambda: stage.studio.set_model_version(999_999, "v1"),
        lambda: push(stage, 999_999, [1], "v1", [0.0]),
    ]
    for call in calls:
        with pytest.raises(NotFound):
            call()
