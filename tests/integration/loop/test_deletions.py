"""What was deleted in Label Studio, told early, late, falsely, or not at all."""

from __future__ import annotations

from dataclasses import replace

import pytest

from loop.ingest import Ingested, drain_inbox, reconcile
from loop.messages import SetAside
from loop.records import Decision
from tests.fault_table import Drill
from tests.integration.loop.hearing import hear, hear_created, only
from tests.integration.loop.world import World


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
        tally = reconcile(served.ingest, served.project.id)
    assert tally[Ingested.BURIED] == 1
    assert served.current() == []
    assert "deleted" in served.set_aside()[frame.digest]
    assert next(item for item in served.frames() if item.id == frame.id).task_id is None


def test_a_deletion_that_no_webhook_told_of_is_found(served: World) -> None:
    first, second = served.label(2)
    reconcile(served.ingest, served.project.id)
    served.studio.delete_annotation(first)
    assert reconcile(served.ingest, served.project.id)[Ingested.BURIED] == 1
    assert only(served.current()).annotation_id == second


OLDER = "Label Studio runs on an older database for a while"


@pytest.mark.fault(OLDER, done="labels gone, looked for, and there again")
def test_what_is_there_again_after_it_was_gone_is_mirrored_again(served: World, drill: Drill) -> None:
    frame, parent, _ = served.read_next()
    annotation = served.submit(frame, served.truth(frame), parent=parent)
    reconcile(served.ingest, served.project.id)
    before = only(served.current())
    task, lost = served.studio.find(annotation)
    task.annotations.remove(lost)
    reconcile(served.ingest, served.project.id, full=True)
    assert served.current() == []
    task.annotations.append(lost)
    assert reconcile(served.ingest, served.project.id, full=True)[Ingested.STORED] == 1
    again = only(served.current())
    assert (again.mask_digest, again.decision) == (before.mask_digest, before.decision)
    assert reconcile(served.ingest, served.project.id, full=True)[Ingested.STORED] == 0
    drill.check(replace(served.parts, by_clock=False))  # its time in the mirror is a moment later than there
    served.studio.delete_annotation(annotation)
    reconcile(served.ingest, served.project.id, full=True)
    assert served.current() == []


@pytest.mark.fault(OLDER, done="tasks with their labels gone, looked for, and there again")
def test_a_task_that_is_there_again_brings_its_labels_back(served: World, drill: Drill) -> None:
    frame, parent, _ = served.read_next()
    annotation = served.submit(frame, served.truth(frame), parent=parent)
    reconcile(served.ingest, served.project.id)
    task, _ = served.studio.find(annotation)
    del served.studio.tasks[task.id]
    reconcile(served.ingest, served.project.id, full=True)
    assert (served.current(), len(set_aside(served))) == ([], 1)
    served.studio.tasks[task.id] = task
    reconcile(served.ingest, served.project.id, full=True)
    assert only(served.current()).frame_id == frame.id
    assert set_aside(served) == []
    drill.check(replace(served.parts, by_clock=False))  # its time in the mirror is a moment later than there


def set_aside(served: World) -> list[SetAside]:
    with served.database.read() as uow:
        return uow.marks.list_set_aside()
