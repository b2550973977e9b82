"""Following the champion: what Label Studio holds and serves afterwards."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from loop.ingest import reconcile
from loop.ports import Job
from loop.records import Arm, Purpose, Selection
from loop.regions import result_to_mask
from loop.serving import relay_outbox
from loop.versions import rollback
from tests.fakes.label_studio import FakeLabelStudio
from tests.integration.loop.world import CODEC, HEIGHT, WIDTH, World, assert_no_pair_twice


def selection(world: World) -> Selection:
    with world.database.read() as uow:
        latest = uow.selections.latest(world.project.id)
    assert latest is not None
    return latest


def arms(world: World) -> dict[int, Arm]:
    return {entry.frame_id: entry.arm for entry in selection(world).entries}


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


def test_weights_of_one_class_that_may_be_any_of_several_put_in_order_and_propose_nothing(
    make_world: Callable[..., World],
) -> None:
    world = make_world(classes=("Vein", "Artery"))
    version = world.model(config={"classes": ["vessel"]})
    assert world.follow().pushed == 32
    assert all(item.result == [] for item in world.studio.stored_predictions.values())
    assert Arm.SAMPLER in arms(world).values(), "these weights still say what they are least sure of"
    world.pictures = 40
    world.add(1, 4, prefix="later")
    world.follow()
    assert len(world.studio.stored_predictions) == 36
    assert all(item.result == [] for item in world.studio.stored_predictions.values())
    with world.database.read() as uow:
        rows = uow.predictions.for_version(world.project.id, version.id)
    assert {row.purpose for row in rows} == {Purpose.ORDER_ONLY}


def test_the_first_own_model_proposes_where_the_first_weights_did_not(
    make_world: Callable[..., World],
) -> None:
    world = make_world(classes=("Vein", "Artery"))
    world.model(config={"classes": ["vessel"]})
    world.follow()
    world.model(config={"classes": ["Vein", "Artery"]})
    world.follow()
    assert any(item.result for item in world.studio.stored_predictions.values())


def test_weights_of_one_class_propose_where_a_class_has_its_name_or_was_chosen(
    make_world: Callable[..., World],
) -> None:
    named = make_world(classes=("Vein", "Artery"))
    named.model(config={"classes": ["vein"]})
    named.follow()
    chosen = make_world(classes=("Vein", "Artery"))
    with chosen.database.write() as uow:
        uow.projects.set_settings(chosen.project.id, {"prior": "Artery"})
        uow.commit()
    chosen.model(config={"classes": ["vessel"]})
    chosen.follow()
    for world in (named, chosen):
        assert any(item.result for item in world.studio.stored_predictions.values())


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


def test_a_rollback_serves_the_old_predictions_at_once_and_draws_nothing_anew(world: World) -> None:
    first = world.model()
    world.follow()
    relay_outbox(world.serving)
    world.model()
    world.follow()
    pushed, looks = world.pushed(), world.segmenters.looks
    assert rollback(world.rounds, world.storage, world.project.id).id == first.id
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
