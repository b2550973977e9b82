"""One contract for the real Label Studio behind our client and for the fake that other tests use."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import timedelta
from functools import cache

import pytest

from adapters.label_studio.client import LabelStudioClient
from loop.errors import NotFound
from loop.remote import NewPrediction, RemoteTask
from tests.contract.stages import NOTHING, VEIN, FakeStage, RealStage, Stage, drawn
from tests.fakes.label_studio import FakeLabelStudio
from tests.services.label_studio import LabelStudioServer


@pytest.fixture(scope="module")
def real_stage(request: pytest.FixtureRequest) -> Iterator[Callable[[], RealStage]]:
    """Made at the first use, so that the fake's tests need no server; readers log in once."""
    with ExitStack() as stack:

        @cache
        def make() -> RealStage:
            server: LabelStudioServer = request.getfixturevalue("label_studio_server")
            api = stack.enter_context(server.api())
            return RealStage(LabelStudioClient(api), api, server, stack)

        yield make


@pytest.fixture(
    params=[pytest.param("fake", id="fake"), pytest.param("real", id="real", marks=pytest.mark.services)]
)
def stage(request: pytest.FixtureRequest, real_stage: Callable[[], RealStage]) -> Stage:
    return FakeStage(FakeLabelStudio()) if request.param == "fake" else real_stage()


@pytest.fixture
def project(stage: Stage) -> int:
    return stage.new_project()


def frames(count: int) -> list[dict[str, str]]:
    digests = [f"{number:064x}" for number in range(count)]
    return [{"image": f"/data/local-files/?d=all/{digest}.png", "frame": digest} for digest in digests]


def changed(stage: Stage, project: int, *, after: RemoteTask | None = None) -> list[int]:
    since = after.updated_at + timedelta(microseconds=1) if after else None
    return [task.id for task in stage.studio.tasks_changed_since(project, since)]


def push(stage: Stage, project: int, tasks: Sequence[int], version: str, scores: Sequence[float]) -> None:
    new = [
        NewPrediction(*pair, result=VEIN) for pair in zip(tasks, [version] * len(tasks), scores, strict=True)
    ]
    stage.studio.push_predictions(project, new)


# Tasks


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


# Annotations


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


# Predictions


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


# The queue


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
