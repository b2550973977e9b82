"""The mirror: whatever Label Studio tells, in whatever order, gives one right state."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from loop.errors import BadEvent, Unavailable
from loop.ingest import Ingested, drain_inbox, receive_event, reconcile
from loop.records import Decision, MaskVersion
from tests.integration.loop.world import World


def hear(world: World, action: str, **content: Any) -> bool:
    """Label Studio's webhook arrives."""
    with world.database.write() as uow:
        payload = {"action": action, "project": {"id": world.label_studio_id}, **content}
        is_new = receive_event(uow, payload, world.clock())
        uow.commit()
    return is_new


def hear_created(world: World, annotation_id: int, action: str = "ANNOTATION_CREATED") -> bool:
    annotation = world.studio.get_annotation(annotation_id)
    body = {
        "id": annotation.id,
        "updated_at": annotation.updated_at.isoformat(),
        "result": ["not", "trusted"],
    }
    return hear(world, action, annotation=body, task={"id": annotation.task_id})


def only(versions: list[MaskVersion]) -> MaskVersion:
    assert len(versions) == 1
    return versions[0]


@pytest.fixture
def served(world: World) -> World:
    """A model's proposals are in the queue."""
    world.model()
    world.follow()
    return world


def open_proposal(world: World) -> Any:
    """Open tasks until one shows a proposal."""
    for user_id in range(10, 40):
        frame, parent, shown = world.read_next(user_id)
        if shown:
            return frame, parent, shown
    raise AssertionError("no proposal in the queue")


def test_an_untouched_proposal_is_accepted_and_linked_to_what_was_shown(served: World) -> None:
    frame, parent, shown = open_proposal(served)
    annotation = served.studio.annotate(
        frame.task_id, shown, user_id=7, parent_prediction=parent, lead_time=6.5
    )
    hear_created(served, annotation)
    assert drain_inbox(served.ingest) == {Ingested.STORED: 1}
    version = only(served.history(frame))
    assert (version.decision, version.dice_to_proposal, version.seconds) == (Decision.ACCEPTED, 1.0, 6.5)
    with served.database.read() as uow:
        assert version.proposal_id is not None
        assert uow.predictions.get(version.proposal_id).remote_id == parent


def test_a_changed_a_deleted_and_a_skipped_proposal_are_fixed_no_vein_and_skipped(served: World) -> None:
    frame, parent, _ = open_proposal(served)
    other = np.zeros_like(served.truth(frame))
    other[0, :5, :5] = True
    served.submit(frame, other, parent=parent)
    second, key, _ = open_proposal(served)
    served.studio.annotate(second.task_id, [], parent_prediction=key)
    third, key, regions = open_proposal(served)
    served.studio.annotate(third.task_id, regions, parent_prediction=key, was_cancelled=True)
    reconcile(served.ingest, served.project.id)
    decisions = [only(served.history(item)).decision for item in (frame, second, third)]
    assert decisions == [Decision.FIXED, Decision.NO_VEIN, Decision.SKIPPED]
    fixed, emptied, skipped = (only(served.history(item)) for item in (frame, second, third))
    assert np.array_equal(served.stored_mask(fixed), other)
    assert emptied.dice_to_proposal == 0.0
    assert not served.stored_mask(emptied).any()
    assert skipped.mask_digest is None
    assert {item.frame_id for item in served.current()} == {frame.id, second.id}


def test_a_restored_draft_without_its_key_is_read_by_the_version_served_when_the_reader_began(
    served: World,
) -> None:
    frame, _, shown = open_proposal(served)
    served.clock.advance(600)
    served.model()
    served.follow()
    served.clock.advance(60)
    served.studio.annotate(frame.task_id, shown, parent_prediction=None, lead_time=400.0)
    reconcile(served.ingest, served.project.id)
    version = only(served.history(frame))
    assert version.decision is Decision.ACCEPTED
    with served.database.read() as uow:
        assert version.proposal_id is not None
        first = uow.models.list(served.project.id)[0]
        assert uow.predictions.get(version.proposal_id).model_version_id == first.id


def test_a_frame_that_was_read_blind_is_drawn_from_scratch(world: World) -> None:
    world.model(origin="none")
    world.follow()
    frame, parent, shown = world.read_next()
    assert parent is not None
    assert shown == []
    world.submit(frame, world.truth(frame), parent=parent)
    reconcile(world.ingest, world.project.id)
    version = only(world.history(frame))
    assert (version.decision, version.proposal_id) == (Decision.FROM_SCRATCH, None)


def test_of_a_simulated_reader_every_version_says_so(served: World) -> None:
    with served.database.write() as uow:
        uow.readers.mark_simulated(99)
        uow.commit()
    frame, parent, _ = served.read_next(99)
    served.submit(frame, served.truth(frame), user_id=99, parent=parent)
    reconcile(served.ingest, served.project.id)
    assert only(served.history(frame)).is_simulated


def test_events_ten_times_over_and_in_any_order_give_one_state(served: World) -> None:
    frame, parent, _ = served.read_next()
    annotation = served.submit(frame, served.truth(frame), parent=parent)
    body = {"id": annotation, "updated_at": "first"}
    served.studio.update(annotation, result=[])
    later = {"id": annotation, "updated_at": "second"}
    events = [("ANNOTATION_CREATED", body), ("ANNOTATION_UPDATED", later)] * 10
    random.Random(1).shuffle(events)
    news = [hear(served, action, annotation=content) for action, content in events]
    assert sum(news) == 2
    assert drain_inbox(served.ingest) == {Ingested.STORED: 1, Ingested.KNOWN: 1}
    assert only(served.history(frame)).decision is Decision.NO_VEIN
    assert drain_inbox(served.ingest) == {}


def test_an_update_is_a_new_version_and_the_newest_counts(served: World) -> None:
    frame, parent, _ = served.read_next()
    annotation = served.submit(frame, served.truth(frame), parent=parent)
    reconcile(served.ingest, served.project.id)
    served.studio.update(annotation, result=[])
    reconcile(served.ingest, served.project.id)
    assert len(served.history(frame)) == 2
    assert only(served.current()).decision is Decision.NO_VEIN


def test_two_readers_on_one_frame_are_both_kept_and_the_newer_one_counts(served: World) -> None:
    frame, parent, _ = served.read_next()
    served.submit(frame, served.truth(frame), user_id=2, parent=parent)
    served.studio.annotate(frame.task_id or 0, [], user_id=3, parent_prediction=parent)
    reconcile(served.ingest, served.project.id)
    assert len(served.history(frame)) == 2
    assert only(served.current()).decision is Decision.NO_VEIN


def test_a_deletion_is_a_tombstone_that_a_stale_event_does_not_lift(served: World) -> None:
    frame, parent, _ = served.read_next()
    annotation = served.submit(frame, served.truth(frame), parent=parent)
    hear_created(served, annotation)
    drain_inbox(served.ingest)
    served.studio.delete_annotation(annotation)
    hear(served, "ANNOTATIONS_DELETED", annotations=[{"id": annotation}])
    hear(served, "ANNOTATION_UPDATED", annotation={"id": annotation, "updated_at": "stale"})
    assert drain_inbox(served.ingest) == {Ingested.BURIED: 1, Ingested.KNOWN: 1}
    assert [version.decision for version in served.history(frame)][-1] is Decision.DELETED
    assert served.current() == []


def test_a_forged_deletion_changes_nothing(served: World) -> None:
    frame, parent, _ = served.read_next()
    annotation = served.submit(frame, served.truth(frame), parent=parent)
    reconcile(served.ingest, served.project.id)
    hear(served, "ANNOTATIONS_DELETED", annotations=[{"id": annotation}])
    hear(served, "TASKS_DELETED", tasks=[{"id": frame.task_id}])
    drain_inbox(served.ingest)
    assert only(served.current()).frame_id == frame.id
    assert served.frame_of(frame.task_id or 0) == frame


def test_a_deletion_that_was_told_too_early_is_heard_when_it_comes(served: World) -> None:
    frame, parent, _ = served.read_next()
    annotation = served.submit(frame, served.truth(frame), parent=parent)
    reconcile(served.ingest, served.project.id)
    assert hear(served, "ANNOTATIONS_DELETED", annotations=[{"id": annotation}])
    assert not hear(served, "ANNOTATIONS_DELETED", annotations=[{"id": annotation}])
    drain_inbox(served.ingest)
    served.studio.delete_annotation(annotation)
    assert hear(served, "ANNOTATIONS_DELETED", annotations=[{"id": annotation}])
    assert drain_inbox(served.ingest)[Ingested.BURIED] == 1


def test_the_deletion_of_a_task_is_heard_under_a_number_that_was_used_before(served: World) -> None:
    frame, *_ = served.read_next()
    hear(served, "TASKS_DELETED", tasks=[{"id": frame.task_id}])
    drain_inbox(served.ingest)
    served.studio.delete_task(frame.task_id or 0)
    assert hear(served, "TASKS_DELETED", tasks=[{"id": frame.task_id}])
    drain_inbox(served.ingest)
    assert next(item for item in served.frames() if item.id == frame.id).task_id is None


def test_an_annotation_that_was_deleted_before_it_was_read_leaves_no_trace(served: World) -> None:
    frame, parent, _ = served.read_next()
    annotation = served.submit(frame, served.truth(frame), parent=parent)
    hear_created(served, annotation)
    served.studio.delete_annotation(annotation)
    assert drain_inbox(served.ingest) == {Ingested.KNOWN: 1}
    assert served.history(frame) == []


@pytest.mark.parametrize("is_heard", [True, False])
def test_a_task_deleted_in_label_studio_buries_its_annotations_and_is_set_aside(
    served: World, is_heard: bool
) -> None:
    frame, parent, _ = served.read_next()
    served.submit(frame, served.truth(frame), parent=parent)
    reconcile(served.ingest, served.project.id)
    served.studio.delete_task(frame.task_id or 0)
    if is_heard:
        hear(served, "TASKS_DELETED", tasks=[{"id": frame.task_id}])
        tally = drain_inbox(served.ingest)
    else:
        tally = reconcile(served.ingest, served.project.id, full=True)
    assert tally[Ingested.BURIED] == 1
    assert served.current() == []
    assert "deleted" in served.set_aside()[frame.digest]
    assert next(item for item in served.frames() if item.id == frame.id).task_id is None


BAD_RESULTS: dict[str, list[dict[str, Any]]] = {
    "polygon": [{"id": "x", "type": "polygonlabels", "value": {"polygonlabels": ["Vein"]}}],
    "size": [{"original_width": 99}],
    "label": [{"value": {"format": "rle", "rle": [0], "brushlabels": ["Nerve"]}}],
    "code": [{"value": {"format": "rle", "rle": [1, 2, 3], "brushlabels": ["Vein"]}}],
    "nothing": [{}],
}


@pytest.mark.parametrize("kind", BAD_RESULTS)
def test_an_unreadable_annotation_is_set_aside_with_its_reason_and_stops_no_other(
    served: World, kind: str
) -> None:
    frame, _, shown = open_proposal(served)
    whole = dict(shown[0])
    result = [
        {**whole, **region} if kind not in ("polygon", "nothing") else region for region in BAD_RESULTS[kind]
    ]
    bad = served.studio.annotate(frame.task_id, result)
    good = served.label(2)
    for annotation in (bad, *good):
        hear_created(served, annotation)
    assert drain_inbox(served.ingest) == {Ingested.SET_ASIDE: 1, Ingested.STORED: 2}
    assert served.history(frame) == []
    assert "need" in served.set_aside()[str(bad)]
    served.studio.update(bad, result=[])
    reconcile(served.ingest, served.project.id)
    assert only(served.history(frame)).decision is Decision.NO_VEIN
    assert served.set_aside() == {}


def test_an_unreadable_annotation_that_is_deleted_is_no_longer_set_aside(served: World) -> None:
    frame, _, _ = open_proposal(served)
    bad = served.studio.annotate(frame.task_id, [{"type": "rectanglelabels"}])
    hear_created(served, bad)
    drain_inbox(served.ingest)
    assert str(bad) in served.set_aside()
    served.studio.delete_annotation(bad)
    hear(served, "ANNOTATIONS_DELETED", annotations=[{"id": bad}])
    drain_inbox(served.ingest)
    assert served.set_aside() == {}


def test_while_label_studio_is_down_events_wait_and_nothing_is_lost(served: World) -> None:
    annotations = served.label(3)
    for annotation in annotations:
        hear_created(served, annotation)
    served.studio.is_down = True
    with pytest.raises(Unavailable):
        drain_inbox(served.ingest)
    with pytest.raises(Unavailable):
        reconcile(served.ingest, served.project.id)
    assert served.current() == []
    served.studio.is_down = False
    assert drain_inbox(served.ingest) == {Ingested.STORED: 3}


def test_a_full_disk_leaves_the_event_pending(served: World) -> None:
    (annotation,) = served.label(1)
    hear_created(served, annotation)
    served.storage.is_full = True
    with pytest.raises(Unavailable):
        drain_inbox(served.ingest)
    served.storage.is_full = False
    assert drain_inbox(served.ingest) == {Ingested.STORED: 1}


def test_thirty_annotations_that_no_webhook_told_of_are_found(served: World) -> None:
    served.label(30)
    assert reconcile(served.ingest, served.project.id)[Ingested.STORED] == 30
    assert len(served.current()) == 30
    assert Ingested.STORED not in reconcile(served.ingest, served.project.id)


def test_the_reconciler_looks_back_no_further_than_its_overlap(served: World) -> None:
    served.label(5)
    reconcile(served.ingest, served.project.id)
    served.clock.advance(3600)
    served.label(1)
    assert reconcile(served.ingest, served.project.id)[Ingested.STORED] == 1
    assert reconcile(served.ingest, served.project.id) == {Ingested.KNOWN: 1}
    assert reconcile(served.ingest, served.project.id, full=True) == {Ingested.KNOWN: 6}


def test_a_deletion_that_no_webhook_told_of_is_found(served: World) -> None:
    first, second = served.label(2)
    reconcile(served.ingest, served.project.id)
    served.studio.delete_annotation(first)
    assert reconcile(served.ingest, served.project.id)[Ingested.BURIED] == 1
    assert only(served.current()).annotation_id == second


def test_an_annotation_on_a_task_of_nobody_is_kept_on_the_list(served: World) -> None:
    (task_id,) = served.studio.import_tasks(served.label_studio_id, [{"image": "by hand"}])
    annotation = served.studio.annotate(task_id, [])
    hear_created(served, annotation)
    assert drain_inbox(served.ingest) == {Ingested.SET_ASIDE: 1}
    assert str(annotation) in served.set_aside()


def test_an_annotation_on_a_task_whose_import_was_cut_short_finds_its_frame(served: World) -> None:
    frame, parent, _ = served.read_next()
    with served.database.write() as uow:
        uow.frames.set_tasks({frame.id: None})
        uow.commit()
    hear_created(served, served.submit(frame, served.truth(frame), parent=parent))
    assert drain_inbox(served.ingest) == {Ingested.STORED: 1}
    assert served.frame_of(frame.task_id or 0).id == frame.id


def test_a_body_that_is_no_event_is_refused_and_one_of_no_interest_passed_over(world: World) -> None:
    with world.database.write() as uow, pytest.raises(BadEvent):
        receive_event(uow, {"action": "ANNOTATION_CREATED"}, world.clock())
    assert not hear(world, "PROJECT_UPDATED")


def hear_many(world: World, count: int) -> list[int]:
    annotations = [
        world.submit(frame, world.truth(frame), user_id=user_id)
        for user_id, frame in enumerate(world.frames()[:count], start=50)
    ]
    for annotation in annotations:
        hear_created(world, annotation)
    return annotations


class Counting:
    """Counts the calls for single annotations that go through to Label Studio."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[int] = []
        ask = world.studio.get_annotation

        def count(annotation_id: int) -> Any:
            self.asked.append(annotation_id)
            return ask(annotation_id)

        monkeypatch.setattr(world.studio, "get_annotation", count)


def test_many_labels_at_once_are_asked_for_together(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.add(6, 5)
    hear_many(world, 30)
    counting = Counting(world, monkeypatch)
    assert drain_inbox(world.ingest)[Ingested.STORED] == 30
    assert counting.asked == []
    assert len(world.current()) == 30
    with world.database.read() as uow:
        assert uow.inbox.pending() == []


def test_of_many_labels_those_that_are_gone_again_are_asked_for_one_by_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.add(6, 5)
    annotations = hear_many(world, 30)
    world.studio.delete_annotation(annotations[7])
    counting = Counting(world, monkeypatch)
    drain_inbox(world.ingest)
    assert counting.asked == [annotations[7]]
    assert len(world.current()) == 29
    with world.database.read() as uow:
        assert uow.inbox.pending() == []


def test_a_label_studio_that_goes_away_leaves_many_events_waiting(world: World) -> None:
    world.add(6, 5)
    hear_many(world, 30)
    world.studio.is_down = True
    with pytest.raises(Unavailable):
        drain_inbox(world.ingest)
    with world.database.read() as uow:
        assert len(uow.inbox.pending()) == 30
    world.studio.is_down = False
    drain_inbox(world.ingest)
    assert len(world.current()) == 30
