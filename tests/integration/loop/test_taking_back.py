"""Homes whose first weights drew in a class that may be the wrong one: that goes, the order stays."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from loop.errors import Unavailable
from loop.ingest import reconcile
from loop.ports import Job
from loop.records import Purpose
from loop.serving import is_order_only
from loop.sweep import sweep
from tests.fakes.label_studio import FakeLabelStudio
from tests.integration.loop.rounds import RULES
from tests.integration.loop.world import World, assert_no_pair_twice


def drawn(world: World) -> set[int]:
    return {item.task_id for item in world.studio.stored_predictions.values() if item.result}


def old_home(make_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch) -> World:
    """One whose weights of one class drew in a project of two, as all did at first; 12 frames were read."""
    world = make_world(classes=("Vein", "Artery"))
    world.model(config={"classes": ["vessel"]})
    with monkeypatch.context() as before:
        for module in ("selecting", "pushing", "taking_back", "sweep"):
            before.setattr(f"loop.{module}.proposes_nothing", lambda version, _: is_order_only(version))
        world.follow(push_limit=5)
    world.clock.advance(60)
    world.label(12)
    world.clock.advance(60)
    return world


def test_what_was_drawn_in_the_wrong_class_is_taken_back_once_in_an_existing_home(
    make_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = old_home(make_world, monkeypatch)
    was_shown = {frame.id for frame in world.frames() if frame.task_id in drawn(world)}
    is_read = {task.id for task in world.studio.tasks.values() if task.annotations}
    before = [(task, place) for task, _, place, _ in world.pushed() if task not in is_read]
    withdrawn: list[str] = []
    withdraw = FakeLabelStudio.withdraw_predictions

    def watched(studio: FakeLabelStudio, project_id: int, model_version: str) -> None:
        withdrawn.append(model_version)
        withdraw(studio, project_id, model_version)

    world.studio.withdraw_predictions = watched.__get__(world.studio)  # type: ignore[method-assign]
    assert (Job.PREANNOTATE, {"project_id": world.project.id}) in sweep(world.rounds, RULES).calls
    world.follow()
    assert drawn(world) == set()
    assert [(task, place) for task, _, place, _ in world.pushed()] == before, "each in its place"
    assert {mask.frame_id for mask in world.current() if mask.proposal_id} == {
        frame.id for frame in world.frames() if frame.id in was_shown and frame.task_id in is_read
    }, "what was read keeps what was shown"
    assert any(mask.proposal_id for mask in world.current())
    world.follow()
    assert len(withdrawn) == 1
    assert not [job for job, _ in sweep(world.rounds, RULES).calls if job is Job.PREANNOTATE]


def test_a_frame_that_is_read_again_comes_without_what_was_drawn_in_the_wrong_class(
    make_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = old_home(make_world, monkeypatch)
    world.follow()
    (mask, *_) = (mask for mask in world.current() if mask.proposal_id)
    world.studio.delete_annotation(mask.annotation_id)
    world.clock.advance(60)
    reconcile(world.ingest, world.project.id, full=True)
    world.follow()
    frame = next(frame for frame in world.frames() if frame.id == mask.frame_id)
    assert frame.task_id in {task for task, *_ in world.pushed()}
    assert drawn(world) == set()


def test_taking_back_goes_on_where_it_was_cut_short(
    make_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = old_home(make_world, monkeypatch)
    withdraw = FakeLabelStudio.withdraw_predictions

    def dying(studio: FakeLabelStudio, project_id: int, model_version: str) -> None:
        withdraw(studio, project_id, model_version)
        raise Unavailable("no answer", "one", "wait")

    world.studio.withdraw_predictions = dying.__get__(world.studio)  # type: ignore[method-assign]
    with pytest.raises(Unavailable):
        world.follow()
    del world.studio.withdraw_predictions
    world.follow()
    assert len(world.studio.stored_predictions) == 20
    assert_no_pair_twice(world)
    with world.database.read() as uow:
        rows = uow.predictions.for_version(world.project.id, world.now().champion_id or 0)
        still_open = {frame.id for frame in uow.frames.unlabelled(world.project.id)}
    assert {row.purpose for row in rows if row.frame_id in still_open} == {Purpose.ORDER_ONLY}
