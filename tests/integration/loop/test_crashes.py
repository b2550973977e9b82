"""Killed at any call or commit, then started again: always the same end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from loop.ingest import drain_inbox, reconcile
from loop.preannotate import PreannotateRules, follow_champion
from loop.records import Purpose
from tests.fakes.crash import Crash
from tests.fault_table import Drill
from tests.integration.loop.hearing import receive
from tests.integration.loop.world import World
from tests.invariants import settle

MakeWorld = Callable[..., World]
KillPoints = Callable[[int], range]
RULES = PreannotateRules(score_limit=4, push_limit=5)


@pytest.fixture
def kill_points(request: pytest.FixtureRequest) -> KillPoints:
    """The steps to die at: every fifth one, and with --full all of them."""
    stride = 1 if request.config.getoption("--full") else 5
    return lambda steps: range(1, steps + 1, stride)


def steps_of(make: Callable[[], World], act: Callable[[World], Any]) -> int:
    """How many steps `act` takes when nothing goes wrong."""
    world = make()
    world.restart()
    act(world)
    return world.fuse.steps


def crash_and_go_on(world: World, act: Callable[[World], Any], at: int) -> None:
    world.restart(at)
    with pytest.raises(Crash):
        act(world)
    world.restart()
    act(world)


def follow(world: World) -> None:
    follow_champion(world.preannotate, RULES, world.project.id)


def queue_of(world: World) -> tuple[Any, ...]:
    """Everything that following the champion is to bring about."""
    with world.database.read() as uow:
        champion = uow.models.get(world.now().champion_id or 0)
        rows = uow.predictions.for_version(world.project.id, champion.id)
        selection = uow.selections.latest(world.project.id)
        remote = {row.frame_id: row.remote_id for row in rows}
    assert selection is not None
    frames = {frame.id: frame.task_id for frame in world.frames()}
    held = {item.id: item.task_id for item in world.studio.stored_predictions.values()}
    assert {frame_id: held[key or 0] for frame_id, key in remote.items()} == {
        key: frames[key] for key in remote
    }
    predictions = [(row.frame_id, row.purpose, row.mask_digest, row.uncertainty, row.place) for row in rows]
    served = world.studio.model_versions[world.label_studio_id]
    return world.pushed(), predictions, selection.entries, served


@pytest.mark.fault(
    "the light worker dies while it draws and pushes", done="a crash at each of its calls and commits in turn"
)
def test_following_a_champion_survives_a_kill_at_any_step(
    make_world: MakeWorld, kill_points: KillPoints, drill: Drill
) -> None:
    def make() -> World:
        world = make_world(clips=5, per_clip=3)
        world.model()
        return world

    whole = make()
    whole.restart()
    follow(whole)
    expected = queue_of(whole)
    assert any(row[1] is Purpose.ORDER_ONLY for row in expected[1])
    steps = whole.fuse.steps
    assert steps > 60
    for at in kill_points(steps):
        world = make()
        crash_and_go_on(world, follow, at)
        assert queue_of(world) == expected, f"killed at step {at} of {steps}"
        settle(world.parts, world.project.id)
        drill.check(world.parts)


def scene(make_world: MakeWorld) -> World:
    """Six annotations of every kind: new, updated, deleted, skipped, unreadable, on a task that is gone."""
    world = make_world(clips=4, per_clip=3)
    world.model()
    follow(world)
    ids = world.label(6)
    reconcile(world.ingest, world.project.id)
    world.studio.update(ids[0], result=[])
    world.studio.delete_annotation(ids[1])
    gone = world.studio.get_annotation(ids[2]).task_id
    world.studio.delete_task(gone)
    frame, parent, shown = world.read_next()
    skipped = world.studio.annotate(frame.task_id or 0, shown, parent_prediction=parent, was_cancelled=True)
    frame, _, _ = world.read_next(5)
    unreadable = world.studio.annotate(
        frame.task_id or 0, [{"type": "polygonlabels", "value": {}}], user_id=5
    )
    fresh = world.label(1)
    with world.database.write() as uow:
        for annotation in (ids[0], ids[1], skipped, unreadable, *fresh):
            body = {"id": annotation, "updated_at": "now"}
            receive(uow, {"action": "ANNOTATION_UPDATED", "annotation": body}, world.clock())
        receive(uow, {"action": "TASKS_DELETED", "tasks": [{"id": gone}]}, world.clock())
        uow.commit()
    return world


def mirror_of(world: World) -> Any:
    """Everything that mirroring is to bring about."""
    with world.database.read() as uow:
        pending = uow.inbox.pending()
        versions = [version for frame in world.frames() for version in uow.masks.history(frame.id)]
    rows = [
        (v.frame_id, v.annotation_id, v.decision, v.mask_digest, v.proposal_id, v.dice_to_proposal)
        for v in versions
    ]
    tasks = {frame.id: frame.task_id is None for frame in world.frames()}
    return pending, rows, tasks, sorted(world.set_aside().items())


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(lambda world: drain_inbox(world.ingest), id="inbox"),
        pytest.param(lambda world: reconcile(world.ingest, world.project.id, full=True), id="reconciler"),
    ],
)
@pytest.mark.fault(
    "the light worker dies while it mirrors", done="a crash at each of its calls and commits in turn"
)
def test_mirroring_survives_a_kill_at_any_step(
    make_world: MakeWorld, kill_points: KillPoints, act: Callable[[World], Any], drill: Drill
) -> None:
    whole = scene(make_world)
    whole.restart()
    act(whole)
    expected, steps = mirror_of(whole), whole.fuse.steps
    assert steps > 20
    for at in kill_points(steps):
        world = scene(make_world)
        crash_and_go_on(world, act, at)
        assert mirror_of(world) == expected, f"killed at step {at} of {steps}"
        settle(world.parts, world.project.id)
        drill.check(world.parts)


def test_both_ways_lead_to_the_same_mirror(make_world: MakeWorld) -> None:
    by_events, by_looking = scene(make_world), scene(make_world)
    drain_inbox(by_events.ingest)
    reconcile(by_looking.ingest, by_looking.project.id, full=True)
    assert mirror_of(by_events)[1:] == mirror_of(by_looking)[1:]


@pytest.mark.fault("an intake of frames dies", done="a crash at each of its calls and commits in turn")
def test_taking_frames_in_survives_a_kill_at_any_step(
    make_world: MakeWorld, kill_points: KillPoints, drill: Drill
) -> None:
    def take_in(world: World) -> None:
        world.pictures = 0
        world.add(3, 2)

    def tasks_of(world: World) -> Any:
        frames = [
            (frame.digest, frame.clip, frame.is_held_out, frame.task_id is not None)
            for frame in world.frames()
        ]
        return frames, sorted(task.data["frame"] for task in world.studio.tasks.values())

    steps = steps_of(lambda: make_world(clips=0), take_in)
    whole = make_world(clips=0)
    take_in(whole)
    for at in kill_points(steps):
        world = make_world(clips=0)
        crash_and_go_on(world, take_in, at)
        assert tasks_of(world) == tasks_of(whole), f"killed at step {at} of {steps}"
        world.model()
        drill.check(world.parts)
