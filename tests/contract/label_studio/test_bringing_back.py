"""One contract for the real Label Studio and for the fake: what was deleted is made again, once."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from loop.errors import BadRequest, NotFound
from loop.remote import LostAnnotation
from tests.contract.label_studio.pushing import changed, frames, push
from tests.contract.label_studio.stages import NOTHING, Stage, drawn

BEGAN = datetime(2026, 1, 5, 8, 30, 15, 250000, tzinfo=UTC)


def lost(stage: Stage, task: int) -> LostAnnotation:
    """What Ann drew on a task in 12.5 s."""
    return LostAnnotation(
        task_id=task,
        user_id=stage.user_id("ann"),
        result=drawn("reader"),
        was_cancelled=False,
        began_at=BEGAN,
        lead_time=12.5,
        parent_prediction=None,
        brings_back=4_000_000_000,
        key=str(uuid4()),
    )


def test_it_has_its_reader_drawing_time_and_former_number(stage: Stage, project: int) -> None:
    (task,) = stage.studio.import_tasks(project, frames(1))
    push(stage, project, [task], "v1", [0.0])
    (shown,) = stage.studio.predictions(project, "v1")
    before = list(stage.studio.tasks_changed_since(project, None))[-1]
    assert stage.studio.bring_back(replace(lost(stage, task), parent_prediction=shown.id))
    (made,) = stage.studio.get_task(task).annotations
    assert (made.user_id, made.result, made.was_cancelled) == (stage.user_id("ann"), drawn("reader"), False)
    assert (made.lead_time, made.draft_created_at, made.parent_prediction) == (12.5, BEGAN, shown.id)
    assert made.brings_back == 4_000_000_000
    assert changed(stage, project, after=before) == [task]
    (listed,) = stage.studio.tasks_changed_since(project, None)
    assert listed.annotations == (made,)
    assert stage.studio.get_annotation(made.id) == made
    assert stage.next_task(project, "ann") is None, "nobody is asked to label it once more"


def test_the_same_key_makes_no_second_one_as_long_as_the_first_is_there(stage: Stage, project: int) -> None:
    (task,) = stage.studio.import_tasks(project, frames(1))
    what = lost(stage, task)
    assert [stage.studio.bring_back(what) for _ in range(2)] == [True, False]
    (made,) = stage.studio.get_task(task).annotations
    stage.delete_annotation(made.id)
    assert stage.studio.bring_back(what)


def test_a_skip_comes_back_as_a_skip(stage: Stage, project: int) -> None:
    (task,) = stage.studio.import_tasks(project, frames(1))
    assert stage.studio.bring_back(replace(lost(stage, task), result=NOTHING, was_cancelled=True))
    (made,) = stage.studio.get_task(task).annotations
    assert (made.was_cancelled, list(made.result)) == (True, [])


def test_without_a_reader_it_is_the_first_accounts(stage: Stage, project: int) -> None:
    (task,) = stage.studio.import_tasks(project, frames(1))
    assert stage.studio.bring_back(replace(lost(stage, task), user_id=None))
    (made,) = stage.studio.get_task(task).annotations
    assert made.user_id not in (None, stage.user_id("ann"))


def test_what_label_studio_does_not_know_is_refused_and_makes_nothing(stage: Stage, project: int) -> None:
    (task,) = stage.studio.import_tasks(project, frames(1))
    what = lost(stage, task)
    with pytest.raises(BadRequest):
        stage.studio.bring_back(replace(what, user_id=stage.unknown_user()))
    with pytest.raises(BadRequest):
        stage.studio.bring_back(replace(what, parent_prediction=999_999_999))
    with pytest.raises(NotFound):
        stage.studio.bring_back(replace(what, task_id=999_999))
    assert stage.studio.get_task(task).annotations == ()
