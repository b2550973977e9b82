"""Taking frames in: rows, held-out groups and tasks, each once."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from loop.errors import BadRequest, Conflict, Unavailable
from loop.ingest import reconcile
from loop.intake import SplitRule, add_frames
from loop.ports import Job
from tests.integration.loop.world import World


def test_every_frame_gets_one_task_that_names_nothing_but_its_digest(world: World) -> None:
    frames = world.frames()
    assert len(frames) == 32
    for frame in frames:
        data = world.studio.get_task(frame.task_id or 0).data
        assert data == {"image": f"/data/local-files/?d=all/{frame.digest}.png", "frame": frame.digest}


def test_frames_that_are_known_are_passed_over(world: World) -> None:
    world.queue.take()
    world.pictures = 28
    added = world.add(2, 4, prefix="again")
    assert (added.new, added.known, added.tasks) == (4, 4, 4)
    assert len(world.studio.tasks) == 36
    assert world.queue.take() == [(Job.PREANNOTATE, {"project_id": world.project.id})]


def test_whole_groups_are_held_out_at_least_two_of_five_and_for_good(
    make_world: Callable[..., World],
) -> None:
    world = make_world(clips=3, per_clip=2)
    world.add(2, 2, prefix="more")
    held_out = {frame.clip for frame in world.frames() if frame.is_held_out}
    assert len(held_out) == 2
    for frame in world.frames():
        assert frame.is_held_out == (frame.clip in held_out)
    world.add(10, 1, prefix="late")
    assert held_out <= {frame.clip for frame in world.frames() if frame.is_held_out}


def test_a_group_that_was_labelled_already_is_not_held_out_afterwards(
    make_world: Callable[..., World],
) -> None:
    world = make_world(clips=4, per_clip=2)
    assert not any(frame.is_held_out for frame in world.frames()[:2])
    world.model(origin="none")
    world.follow()
    world.label(8)
    reconcile(world.ingest, world.project.id)
    before = {frame.clip for frame in world.frames() if frame.is_held_out}
    world.add(6, 1, prefix="late")
    after = {frame.clip for frame in world.frames() if frame.is_held_out}
    assert before <= after
    assert all(clip.startswith("late") for clip in after - before)
    assert len(after) >= 2


def test_one_recording_alone_is_not_held_out(make_world: Callable[..., World]) -> None:
    for seed in range(20):
        world = make_world(clips=0)
        add_frames(world.intake, SplitRule(0.9, seed), world.project.id, world.new_frames(1, 2))
        assert not any(frame.is_held_out for frame in world.frames())


def test_an_import_whose_answer_was_lost_is_found_again(make_world: Callable[..., World]) -> None:
    world = make_world(clips=0)
    frames = world.new_frames(3, 2)
    world.studio.lost_answers = 1
    with pytest.raises(Unavailable):
        add_frames(world.intake, SplitRule(), world.project.id, frames)
    assert len(world.studio.tasks) == 6
    assert add_frames(world.intake, SplitRule(), world.project.id, frames).tasks == 6
    assert len(world.studio.tasks) == 6
    assert all(frame.task_id for frame in world.frames())


def test_a_second_intake_at_the_same_time_is_refused(make_world: Callable[..., World]) -> None:
    world = make_world(clips=0)
    with world.database.write() as uow:
        now = world.clock()
        world.clock.advance(60)
        uow.marks.acquire(f"intake-{world.project.id}", "somebody", now=now, until=world.clock())
        uow.commit()
    world.clock.advance(-30)
    with pytest.raises(Conflict, match="second intake"):
        world.add(1, 2)


def test_a_frame_whose_task_was_deleted_comes_back_only_when_it_is_given_again(world: World) -> None:
    gone = world.frames()[0]
    world.studio.delete_task(gone.task_id or 0)
    reconcile(world.ingest, world.project.id, full=True)
    world.pictures = 50
    world.add(1, 2, prefix="other")
    assert world.frames()[0].task_id is None
    world.pictures = 0
    world.add(1, 4)
    assert world.frames()[0].task_id is not None


def test_without_a_label_studio_project_there_is_nowhere_to_put_tasks(
    make_world: Callable[..., World],
) -> None:
    world = make_world(clips=0)
    with world.database.write() as uow:
        project = uow.projects.add("Other", ("Vein",), {})
        uow.commit()
    with pytest.raises(BadRequest, match="Label Studio"):
        add_frames(world.intake, SplitRule(), project.id, world.new_frames(1, 1))
