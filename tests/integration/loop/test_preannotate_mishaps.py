"""Following the champion through interruptions, and past what is broken, refused or gone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from loop.errors import BadRequest, BadWeights, Unavailable
from loop.following import Progress, lease_of
from loop.planning import wake
from loop.ports import Job
from loop.preannotate import PreannotateRules, follow_champion
from tests.fakes.label_studio import FakeLabelStudio
from tests.integration.loop.world import World, assert_no_pair_twice


def test_killed_between_two_chunks_the_next_run_sends_the_rest_and_no_pair_twice(
    make_world: Callable[..., World],
) -> None:
    world = make_world(clips=50, per_clip=5)
    world.model(origin="none")
    pushes: list[int] = []
    push = FakeLabelStudio.push_predictions

    def dying(studio: FakeLabelStudio, project_id: int, predictions: list[object]) -> None:
        if len(pushes) == 1:
            pushes.append(0)
            raise KeyboardInterrupt
        pushes.append(len(predictions))
        push(studio, project_id, predictions)  # type: ignore[arg-type]

    world.studio.push_predictions = dying.__get__(world.studio)  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        world.follow()
    assert len(world.pushed()) == 100
    assert world.studio.model_versions[world.label_studio_id] == ""
    world.restart()
    world.follow()
    assert pushes == [100, 0, 100, 50]
    assert len(world.pushed()) == 250
    assert_no_pair_twice(world)


def test_an_answer_lost_after_the_push_makes_no_pair_twice(world: World) -> None:
    world.model()
    world.studio.lost_answers = 1
    with pytest.raises(Unavailable):
        world.follow()
    assert len(world.pushed()) == 32
    assert world.follow().pushed == 0
    assert_no_pair_twice(world)
    assert world.studio.model_versions[world.label_studio_id] != ""


def test_a_live_answer_that_label_studio_holds_gets_its_place_instead_of_a_twin(world: World) -> None:
    version = world.model()
    task_id = world.frames()[0].task_id or 0
    world.studio.push_live(task_id, version.name)
    assert world.follow().pushed == 31
    assert_no_pair_twice(world)
    assert {task: place for task, _, place, _ in world.pushed()}[task_id] < 1


def test_a_broken_frame_is_set_aside_and_stops_no_other(world: World) -> None:
    world.model()
    broken = next(frame for frame in world.frames() if not frame.is_held_out)
    world.images.broken.add(broken.digest)
    followed = world.follow()
    assert (followed.pushed, followed.set_aside) == (31, 1)
    assert "damaged" in world.set_aside()[broken.digest]


def test_a_model_that_gives_no_numbers_is_never_switched_to(world: World) -> None:
    first = world.model()
    world.follow()
    world.model()
    with world.database.read() as uow:
        champion = uow.models.get(world.now().champion_id or 0)
    segmenter = world.segmenters.load(champion)
    segmenter.predict = lambda image: np.full((1, *image.shape), np.nan, np.float32)  # type: ignore[method-assign]
    with pytest.raises(BadWeights, match="draw none"):
        world.follow()
    assert world.studio.model_versions[world.label_studio_id] == first.name
    assert {version for _, version, _, _ in world.pushed()} == {first.name}


def test_an_unknown_strategy_is_refused_before_anything_is_pushed(world: World) -> None:
    world.model()
    with pytest.raises(BadRequest, match="boundary-entropy"):
        world.follow(strategy="guess")
    assert world.pushed() == []


def test_a_champion_that_changes_in_the_middle_is_followed_from_the_start(world: World) -> None:
    first = world.model()
    names: list[str] = []

    def on_progress(progress: Progress) -> None:
        if progress.step == "scoring" and not names:
            names.append(world.model().name)

    followed = follow_champion(world.preannotate, PreannotateRules(), world.project.id, on_progress)
    assert followed.version == names[0] != first.name
    assert {version for _, version, _, _ in world.pushed()} == set(names)
    assert world.studio.model_versions[world.label_studio_id] == names[0]


def test_only_one_run_follows_a_project_at_a_time(world: World) -> None:
    world.model()
    lease_of(world.preannotate, PreannotateRules(), world.project.id).take()
    followed = world.follow()
    assert (followed.version, followed.pushed) == (None, 0)
    assert followed.reason
    world.restart()
    assert world.follow().pushed == 32


def test_a_task_deleted_in_label_studio_does_not_hold_up_the_others(world: World) -> None:
    world.model()
    gone = world.frames()[3]
    world.studio.delete_task(gone.task_id or 0)
    assert world.follow().pushed == 31
    assert gone.digest in world.set_aside()


def test_a_task_deleted_while_its_chunk_is_built_does_not_hold_up_the_others(world: World) -> None:
    world.model()
    gone = next(frame for frame in world.frames() if not frame.is_held_out)

    def on_progress(progress: Progress) -> None:
        if progress.step == "scoring" and gone.task_id in world.studio.tasks:
            world.studio.delete_task(gone.task_id or 0)

    followed = follow_champion(world.preannotate, PreannotateRules(), world.project.id, on_progress)
    assert followed.pushed == 31


def test_frames_whose_import_was_cut_short_get_their_tasks_first(world: World) -> None:
    world.model()
    with world.database.write() as uow:
        uow.frames.add(world.project.id, world.new_frames(1, 3, prefix="cut"), world.clock())
        uow.commit()
    assert world.follow().pushed == 35


def test_a_broker_that_is_away_stops_nobody(world: World) -> None:
    world.queue.is_down = True
    wake(world.queue, Job.SWEEP)


def test_a_drawing_that_label_studio_does_not_take_keeps_no_other_from_its_reader(world: World) -> None:
    version = world.model()
    frame = world.frames()[3]
    world.studio.refused.add(frame.task_id or 0)
    followed = world.follow()
    assert (followed.has_switched, followed.set_aside) == (True, 1)
    held = {item.task_id for item in world.studio.stored_predictions.values()}
    assert held == {each.task_id for each in world.frames()} - {frame.task_id}
    assert "refusal" in world.set_aside()[frame.digest]
    assert world.studio.model_versions[world.label_studio_id] == version.name


def test_a_label_studio_that_takes_no_drawing_at_all_is_not_the_frames_fault(world: World) -> None:
    world.model()
    world.studio.refused.update(frame.task_id or 0 for frame in world.frames())
    with pytest.raises(BadRequest, match="refusal"):
        world.follow()
    assert world.set_aside() == {}
    world.studio.refused.clear()
    assert world.follow().has_switched
