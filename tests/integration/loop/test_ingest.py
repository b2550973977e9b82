"""The mirror: whatever Label Studio tells, in whatever order, gives one right state."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from loop.errors import BadEvent, Unavailable
from loop.ingest import Ingested, drain_inbox, reconcile
from loop.records import Decision
from tests.integration.loop.hearing import hear, hear_created, only, receive
from tests.integration.loop.world import World


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


def test_a_body_that_is_no_event_is_refused_and_one_of_no_interest_passed_over(world: World) -> None:
    with world.database.write() as uow, pytest.raises(BadEvent):
        receive(uow, {"action": "ANNOTATION_CREATED"}, world.clock())
    assert not hear(world, "PROJECT_UPDATED")
