"""What no webhook told of, and bursts of which many tell: found by listing what changed."""

from __future__ import annotations

from typing import Any

import pytest

from loop.errors import Unavailable
from loop.ingest import Ingested, drain_inbox, reconcile
from tests.integration.loop.hearing import hear_created
from tests.integration.loop.world import World


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
