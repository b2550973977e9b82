"""Following the champion: what Label Studio holds and serves afterwards, and after any interruption."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from loop.errors import BadRequest, BadWeights, Unavailable
from loop.following import Progress, lease_of
from loop.ingest import reconcile
from loop.planning import wake
from loop.ports import Job
from loop.preannotate import PreannotateRules, follow_champion
from loop.records import Arm, Purpose, Selection
from loop.regions import result_to_mask
from loop.serving import relay_outbox
from loop.versions import rollback
from tests.fakes.label_studio import FakeLabelStudio
from tests.integration.loop.world import CODEC, HEIGHT, WIDTH, World


def selection(world: World) -> Selection:
    with world.database.read() as uow:
        latest = uow.selections.latest(world.project.id)
    assert latest is not None
    return latest


def arms(world: World) -> dict[int, Arm]:
    return {entry.frame_id: entry.arm for entry in selection(world).entries}


def assert_no_pair_twice(world: World) -> None:
    pairs = [(item.task_id, item.model_version) for item in world.studio.stored_predictions.values()]
    assert len(set(pairs)) == len(pairs)


def test_every_open_frame_gets_one_prediction_and_the_version_is_served(world: World) -> None:
    version = world.model()
    followed = world.follow()
    assert followed.pushed == 32
    assert followed.has_switched
    assert {task for task, *_ in world.pushed()} == {frame.task_id for frame in world.frames()}
    assert world.studio.model_versions[world.label_studio_id] == version.name
    assert_no_pair_twice(world)
    with world.database.read() as uow:
        rows = uow.predictions.for_version(world.project.id, version.id)
    assert all(row.remote_id in world.studio.stored_predictions for row in rows)


def test_two_readers_at_once_are_served_the_top_of_the_selection(world: World) -> None:
    world.model()
    world.follow()
    ranked = [entry.frame_id for entry in selection(world).entries]
    served = [world.read_next(user_id)[0].id for user_id in (2, 3)]
    assert served == ranked[:2]


def test_what_is_drawn_is_the_stored_mask_of_the_prediction(world: World) -> None:
    version = world.model()
    world.follow()
    frames = {frame.task_id: frame for frame in world.frames()}
    drawn = [item for item in world.studio.stored_predictions.values() if item.result]
    assert drawn
    for item in drawn:
        with world.database.read() as uow:
            row = uow.predictions.find(frames[item.task_id].id, version.id)
        assert row is not None
        assert row.purpose is Purpose.PROPOSAL
        shown = result_to_mask(item.result, ("Vein",), HEIGHT, WIDTH, CODEC)
        expected = world.images.pixels[frames[item.task_id].digest] > 100
        assert np.array_equal(shown[0], expected)


def test_held_out_and_blind_frames_have_a_place_and_nothing_drawn(world: World) -> None:
    world.model()
    world.follow()
    held_out = {frame.id for frame in world.frames() if frame.is_held_out}
    assert len({frame.clip for frame in world.frames() if frame.is_held_out}) >= 2
    arm_of = arms(world)
    assert {frame_id for frame_id, arm in arm_of.items() if arm is Arm.HELD_OUT} == held_out
    frames = {frame.task_id: frame for frame in world.frames()}
    for item in world.studio.stored_predictions.values():
        is_blind = arm_of[frames[item.task_id].id] in (Arm.HELD_OUT, Arm.BLIND)
        assert is_blind == (item.result == [])
    assert list(arm_of.values()).count(Arm.BLIND) == 1


def test_without_weights_no_model_is_loaded_and_everything_is_put_in_order_only(world: World) -> None:
    version = world.model(origin="none")
    assert world.follow().pushed == 32
    assert world.segmenters.loaded == {}
    assert all(item.result == [] for item in world.studio.stored_predictions.values())
    assert world.studio.model_versions[world.label_studio_id] == version.name
    assert selection(world).strategy == "order-only"


def test_the_switch_waits_until_the_best_ranked_are_in(world: World) -> None:
    world.model()
    world.follow()
    second = world.model()
    sizes: list[int] = []
    switch = FakeLabelStudio.set_model_version

    def watched(studio: FakeLabelStudio, project_id: int, model_version: str) -> None:
        sizes.append(sum(item.model_version == second.name for item in studio.stored_predictions.values()))
        switch(studio, project_id, model_version)

    world.studio.set_model_version = watched.__get__(world.studio)  # type: ignore[method-assign]
    world.follow(push_limit=10)
    assert sizes[0] == 10
    assert sum(item.model_version == second.name for item in world.studio.stored_predictions.values()) == 32


def test_the_rest_of_a_large_pool_follows_between_those_that_were_scored_first(world: World) -> None:
    world.model()
    assert world.follow(score_limit=6, push_limit=5).pushed == 32
    ranked = [entry.frame_id for entry in selection(world).entries]
    places = {task: place for task, _, place, _ in world.pushed()}
    by_place = sorted(world.frames(), key=lambda frame: places[frame.task_id or 0])
    assert [frame.id for frame in by_place] == ranked
    assert len(set(places.values())) == 32


def test_a_second_run_finds_nothing_to_do(world: World) -> None:
    world.model()
    world.follow()
    before, looks = world.pushed(), world.segmenters.looks
    assert world.follow().pushed == 0
    assert world.pushed() == before
    assert world.segmenters.looks == looks
    with world.database.read() as uow:
        assert uow.selections.count(world.project.id) == 1


def test_labelled_frames_are_not_drawn_again_for_a_new_version(world: World) -> None:
    world.model()
    world.follow()
    world.label(6)
    reconcile(world.ingest, world.project.id)
    world.model()
    assert world.follow().pushed == 26


def test_new_frames_are_ranked_into_the_queue_and_nothing_pushed_moves(world: World) -> None:
    world.model()
    world.follow()
    before = set(world.pushed())
    world.add(2, 3, prefix="late")
    assert (Job.PREANNOTATE, {"project_id": world.project.id}) in world.queue.take()
    assert world.follow().pushed == 6
    assert before < set(world.pushed())
    places = [place for _, _, place, _ in world.pushed()]
    assert len(set(places)) == 38
    assert all(0 < place < 1 for place in places)
    assert len(selection(world).entries) == 38


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


def test_a_rollback_serves_the_old_predictions_at_once_and_draws_nothing_anew(world: World) -> None:
    first = world.model()
    world.follow()
    relay_outbox(world.serving)
    world.model()
    world.follow()
    pushed, looks = world.pushed(), world.segmenters.looks
    assert rollback(world.rounds, world.project.id).id == first.id
    assert relay_outbox(world.serving) == [world.project.id]
    assert world.studio.model_versions[world.label_studio_id] == first.name
    assert world.follow().pushed == 0
    assert (world.pushed(), world.segmenters.looks) == (pushed, looks)


def test_a_new_version_is_not_switched_to_before_its_predictions_are_there(world: World) -> None:
    first = world.model()
    world.follow()
    world.model()
    assert relay_outbox(world.serving) == [world.project.id]
    assert world.studio.model_versions[world.label_studio_id] == first.name
    assert relay_outbox(world.serving) == []


def test_frames_whose_import_was_cut_short_get_their_tasks_first(world: World) -> None:
    world.model()
    with world.database.write() as uow:
        uow.frames.add(world.project.id, world.new_frames(1, 3, prefix="cut"), world.clock())
        uow.commit()
    assert world.follow().pushed == 35


def test_several_classes_are_drawn_in_their_own_regions(make_world: Callable[..., World]) -> None:
    world = make_world(classes=("Artery", "Vein"))
    world.model()
    world.follow()
    labels = {
        label
        for item in world.studio.stored_predictions.values()
        for region in item.result
        for label in region["value"]["brushlabels"]
    }
    assert labels == {"Artery"}


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
