"""One contract for the real Label Studio and for the fake: predictions and what readers are served."""

from __future__ import annotations

import pytest

from loop.errors import NotFound
from loop.remote import NewPrediction
from tests.contract.label_studio.pushing import frames, push
from tests.contract.label_studio.stages import NOTHING, VEIN, Stage, drawn


def test_pushed_predictions_are_listed_by_their_exact_version(stage: Stage, project: int) -> None:
    tasks = stage.studio.import_tasks(project, frames(120))
    push(stage, project, tasks[:100], "v1", [place / 120 for place in range(100)])
    push(stage, project, tasks[100:], "v1", [place / 120 for place in range(100, 120)])
    push(stage, project, tasks[:7], "v10", [0.5] * 7)
    listed = sorted(stage.studio.predictions(project, "v1"), key=lambda each: each.task_id)
    assert [(each.task_id, each.model_version) for each in listed] == [(task, "v1") for task in tasks]
    assert [each.score for each in listed] == pytest.approx([place / 120 for place in range(120)])
    assert len({each.id for each in listed}) == 120
    assert stage.studio.predictions(project, "v2") == []


def test_a_blind_repetition_of_a_push_is_seen_in_the_list(stage: Stage, project: int) -> None:
    tasks = stage.studio.import_tasks(project, frames(2))
    push(stage, project, tasks, "v1", [0.0, 0.5])
    push(stage, project, tasks, "v1", [0.0, 0.5])
    assert sorted(each.task_id for each in stage.studio.predictions(project, "v1")) == sorted(tasks * 2)


def test_a_push_with_a_deleted_task_in_it_creates_nothing(stage: Stage, project: int) -> None:
    kept, gone = stage.studio.import_tasks(project, frames(2))
    stage.delete_task(gone)
    with pytest.raises(NotFound):
        push(stage, project, [kept, gone], "v1", [0.0, 0.5])
    assert stage.studio.predictions(project, "v1") == []


def test_pushing_nothing_is_allowed(stage: Stage, project: int) -> None:
    stage.studio.push_predictions(project, [])


def test_a_withdrawn_version_leaves_other_versions_and_what_readers_drew(stage: Stage, project: int) -> None:
    tasks = stage.studio.import_tasks(project, frames(2))
    push(stage, project, tasks, "v1", [0.0, 0.5])
    push(stage, project, tasks, "v10", [0.0, 0.5])
    stage.studio.set_model_version(project, "v10")
    shown = next(each for each in stage.studio.predictions(project, "v1") if each.task_id == tasks[0])
    key = stage.submit(tasks[0], drawn("reader"), "ann", parent=shown.id)
    for _ in range(2):
        stage.studio.withdraw_predictions(project, "v1")
    assert stage.studio.predictions(project, "v1") == []
    assert len(stage.studio.predictions(project, "v10")) == 2
    annotation = stage.studio.get_annotation(key)
    assert (annotation.result, annotation.parent_prediction) == (drawn("reader"), None)
    assert stage.next_task(project, "bob") == (tasks[1], VEIN)


def test_a_moved_prediction_keeps_its_key(stage: Stage, project: int) -> None:
    tasks = stage.studio.import_tasks(project, frames(1))
    push(stage, project, tasks, "v1", [0.25])
    (before,) = stage.studio.predictions(project, "v1")
    stage.studio.set_score(before.id, 0.75)
    (after,) = stage.studio.predictions(project, "v1")
    assert (after.id, after.score) == (before.id, 0.75)


def served(stage: Stage, project: int, reader: str) -> list[int]:
    """Every task that the reader is served until nothing is left, each submitted."""
    found = []
    while (task := stage.next_task(project, reader)) is not None:
        found.append(task[0])
        stage.submit(task[0], NOTHING, reader)
    return found


def test_the_lowest_place_of_the_served_version_comes_first_and_the_rest_last(
    stage: Stage, project: int
) -> None:
    a, b, c, unscored = stage.studio.import_tasks(project, frames(4))
    push(stage, project, [a, b, c, unscored], "v1", [0.0, 0.3, 0.6, 0.1])
    push(stage, project, [a, b, c], "v2", [0.6, 0.0, 0.3])
    stage.studio.set_model_version(project, "v2")
    assert served(stage, project, "ann") == [b, c, a, unscored]


def test_a_version_without_predictions_cannot_be_served(stage: Stage, project: int) -> None:
    tasks = stage.studio.import_tasks(project, frames(1))
    push(stage, project, tasks, "v1", [0.0])
    with pytest.raises(NotFound):
        stage.studio.set_model_version(project, "v2")


def test_the_page_shows_the_prediction_of_the_served_version(stage: Stage, project: int) -> None:
    (task,) = stage.studio.import_tasks(project, frames(1))
    for version, result in (("v1", drawn("one")), ("v2", drawn("two"))):
        stage.studio.push_predictions(project, [NewPrediction(task, version, 0.0, result)])
    stage.studio.set_model_version(project, "v2")
    assert stage.next_task(project, "ann") == (task, drawn("two"))


def test_an_empty_prediction_gives_a_place_and_draws_nothing(stage: Stage, project: int) -> None:
    plain, blind = stage.studio.import_tasks(project, frames(2))
    stage.studio.push_predictions(
        project, [NewPrediction(plain, "v1", 0.5, VEIN), NewPrediction(blind, "v1", 0.0, NOTHING)]
    )
    stage.studio.set_model_version(project, "v1")
    assert stage.next_task(project, "ann") == (blind, [])


def test_a_served_task_stays_with_its_reader_and_others_get_the_next(stage: Stage, project: int) -> None:
    first, second, third = stage.studio.import_tasks(project, frames(3))
    push(stage, project, [first, second, third], "v1", [0.0, 0.3, 0.6])
    stage.studio.set_model_version(project, "v1")
    turns = [stage.next_task(project, reader) for reader in ("ann", "bob", "ann", "bob")]
    assert [turn and turn[0] for turn in turns] == [first, second, first, second]


def test_a_skipped_task_goes_to_another_reader_and_never_back(stage: Stage, project: int) -> None:
    skipped, other = stage.studio.import_tasks(project, frames(2))
    push(stage, project, [skipped, other], "v1", [0.0, 0.5])
    stage.studio.set_model_version(project, "v1")
    stage.skip(skipped, "ann")
    assert served(stage, project, "ann") == [other]
    assert served(stage, project, "bob") == [skipped]


def test_a_task_whose_annotation_is_deleted_is_served_again(stage: Stage, project: int) -> None:
    (task,) = stage.studio.import_tasks(project, frames(1))
    key = stage.submit(task, VEIN, "ann")
    assert stage.next_task(project, "bob") is None
    stage.delete_annotation(key)
    assert stage.next_task(project, "bob") == (task, None)
