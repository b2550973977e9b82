"""Taking frames in: rows, held-out groups and tasks, each once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from db.repositories.marks import SqlMarks
from loop import intake
from loop.errors import BadRequest, Conflict, Unavailable
from loop.ingest import reconcile
from loop.intake import SplitRule, add_frames
from loop.ports import Job
from loop.records import NewFrame
from loop.regrouping import Claim
from tests.integration.loop.test_restoring import delete_all, restore
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


def taught_and_testing(world: World) -> tuple[set[int], set[int]]:
    """Let a reader label every frame; the frames that would teach now, and those that would test."""
    world.model(origin="none")
    world.follow()
    world.clock.advance(60)
    world.label(len(world.frames()))
    world.clock.advance(60)
    reconcile(world.ingest, world.project.id)
    return parts_of_labels(world)


def parts_of_labels(world: World) -> tuple[set[int], set[int]]:
    held_out = {frame.id for frame in world.frames() if frame.is_held_out}
    labelled = {mask.frame_id for mask in world.current()}
    return labelled - held_out, labelled & held_out


@pytest.mark.parametrize("with_tasks", [False, True])
def test_labels_that_taught_teach_again_once_they_are_restored_after_an_intake(
    make_world: Callable[..., World], with_tasks: bool
) -> None:
    world = make_world(clips=4, per_clip=3)
    before = taught_and_testing(world)
    assert before[0]
    delete_all(world, with_tasks=with_tasks)
    world.add(1, 2, prefix="late")
    restore(world)
    assert parts_of_labels(world) == before


def test_labels_that_taught_and_were_skipped_since_are_not_held_out(make_world: Callable[..., World]) -> None:
    world = make_world(clips=4, per_clip=3)
    taught, testing = taught_and_testing(world)
    for task in world.studio.tasks.values():
        world.studio.update(task.annotations[0].id, was_cancelled=True)
    world.clock.advance(60)
    reconcile(world.ingest, world.project.id)
    assert world.current() == []
    late = world.new_frames(2, 2, "late")  # three of the six recordings are wanted now
    add_frames(world.intake, SplitRule(0.9), world.project.id, late)
    held_out = {frame.id for frame in world.frames() if frame.is_held_out}
    assert held_out > testing
    assert held_out & taught == set()


def test_frames_that_turn_out_to_be_five_recordings_are_held_out_by_recording(
    make_world: Callable[..., World],
) -> None:
    world = make_world(clips=20, per_clip=1)
    assert 2 <= sum(frame.is_held_out for frame in world.frames()) <= 10
    frames = world.frames()
    claims = [Claim(frame.digest, f"film {frame.id % 5}", None, None) for frame in frames]
    given = [NewFrame(each.digest, each.width, each.height, each.clip, None, False) for each in frames]
    added = add_frames(world.intake, SplitRule(), world.project.id, given, claims=claims)
    assert (added.new, added.moved, added.refused, len(added.places)) == (0, 20, 0, 5)
    held_out = {frame.clip for frame in world.frames() if frame.is_held_out}
    assert len(held_out) == 2
    assert all(frame.is_held_out == (frame.clip in held_out) for frame in world.frames())


def test_labels_keep_their_side_when_a_recording_is_told_late(make_world: Callable[..., World]) -> None:
    world = make_world(clips=20, per_clip=1)
    world.model(origin="none")
    world.follow()
    world.label(12)
    reconcile(world.ingest, world.project.id)
    labelled = {mask.frame_id for mask in world.current()}
    before = {frame.id: frame.is_held_out for frame in world.frames() if frame.id in labelled}
    assert set(before.values()) == {True, False}
    claims = [Claim(frame.digest, f"film {frame.id % 3}", None, None) for frame in world.frames()]
    added = add_frames(world.intake, SplitRule(), world.project.id, [], claims=claims)
    after = world.frames()
    assert {frame.id: frame.is_held_out for frame in after if frame.id in labelled} == before
    sides = {(frame.clip, frame.is_held_out) for frame in after}
    assert len(sides) == len({clip for clip, _ in sides}), "no clip lies on both sides"
    assert added.moved + added.refused == 20
    assert added.refused


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


def other_intake(world: World, seconds: float) -> None:
    """Hold the project as an intake of another process does."""
    with world.database.write() as uow:
        until = world.clock() + timedelta(seconds=seconds)
        uow.marks.acquire(f"intake-{world.project.id}", "somebody", now=world.clock(), until=until)
        uow.commit()


def test_a_second_intake_at_the_same_time_is_refused_and_told_for_how_long(
    make_world: Callable[..., World],
) -> None:
    world = make_world(clips=0)
    other_intake(world, 12)
    with pytest.raises(Conflict, match=r"second intake .* 12 s more"):
        world.add(1, 2)
    assert len(world.frames()) == 2  # their rows stay, and the next intake gives them tasks


def test_an_intake_that_was_killed_is_outlived_within_half_a_minute(
    make_world: Callable[..., World],
) -> None:
    world = make_world(clips=0)
    world.studio.is_down = True
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SqlMarks, "release", lambda *_: None)  # one that is killed gives nothing back
        with pytest.raises(Unavailable):
            world.add(1, 2)
    world.studio.is_down = False
    began = world.clock()
    frames = world.new_frames(1, 2, prefix="next")
    added = add_frames(world.intake, SplitRule(), world.project.id, frames, lambda _: world.clock.advance(1))
    assert added.tasks == 4
    assert world.clock() - began < timedelta(seconds=32)


def test_a_living_intake_is_not_waited_for_longer_than_a_lease(make_world: Callable[..., World]) -> None:
    world = make_world(clips=0)
    other_intake(world, 30)
    began = world.clock()

    def go_on(_: float) -> None:
        world.clock.advance(1)
        other_intake(world, 30)

    with pytest.raises(Conflict, match="second intake"):
        add_frames(world.intake, SplitRule(), world.project.id, world.new_frames(1, 2), go_on)
    assert world.clock() - began < timedelta(seconds=35)


def test_an_interruption_right_after_the_lease_was_taken_gives_it_back(
    make_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(clips=0)
    hold = intake._hold

    def interrupted(*arguments: Any) -> None:
        hold(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(intake, "_hold", interrupted)
    with pytest.raises(KeyboardInterrupt):
        world.add(1, 2)
    monkeypatch.undo()
    assert world.add(1, 2, prefix="next").tasks == 4


def test_the_lease_is_renewed_with_every_chunk(
    make_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(clips=0)
    monkeypatch.setattr(intake, "CHUNK", 1)
    import_tasks, left = world.studio.import_tasks, []

    def slow(*arguments: Any) -> list[int]:
        world.clock.advance(20)
        with world.database.read() as uow:
            until = uow.marks.held_until(f"intake-{world.project.id}")
        left.append(until is not None and until > world.clock())
        return import_tasks(*arguments)

    monkeypatch.setattr(world.studio, "import_tasks", slow)
    world.add(2, 2)
    assert left == [True] * 4


def test_a_frame_whose_task_was_deleted_comes_back_only_when_it_is_given_again(world: World) -> None:
    gone = world.frames()[0]
    world.studio.delete_task(gone.task_id or 0)
    reconcile(world.ingest, world.project.id, full=True)
    assert gone.digest in world.set_aside()
    world.pictures = 50
    assert world.add(1, 2, prefix="other").brought_back == 0
    assert world.frames()[0].task_id is None
    world.pictures = 0
    added = world.add(1, 4)
    assert (added.known, added.tasks, added.brought_back) == (4, 1, 1)
    assert world.frames()[0].task_id is not None
    assert gone.digest not in world.set_aside()
    world.pictures = 0
    assert world.add(1, 4).brought_back == 0


def test_without_a_label_studio_project_there_is_nowhere_to_put_tasks(
    make_world: Callable[..., World],
) -> None:
    world = make_world(clips=0)
    with world.database.write() as uow:
        project = uow.projects.add("Other", ("Vein",), {})
        uow.commit()
    with pytest.raises(BadRequest, match="Label Studio"):
        add_frames(world.intake, SplitRule(), project.id, world.new_frames(1, 1))
