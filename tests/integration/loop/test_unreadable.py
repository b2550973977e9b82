"""A label whose newest state cannot be read: what was drawn before stays, but not as if it was the newest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from loop.export import ExportSet, gather_export
from loop.ingest import drain_inbox, reconcile
from loop.records import Frame, MaskVersion
from loop.rounds import claim, freeze, mark_cancelled, plan
from loop.training_records import Split, TrainingSet
from loop.unreadable import UnreadableLabel, count_unreadable, unreadable_labels
from tests.integration.loop.hearing import hear
from tests.integration.loop.rounds import RULES, at_gate, judged, label_until, planned, teaching
from tests.integration.loop.world import World
from tests.invariants import check

OTHER_READER = 9


def damaged(world: World, frame: Frame) -> list[dict[str, Any]]:
    """The truth, with the end of its run-length code torn off."""
    annotation = world.studio.get_annotation(world.submit(frame, world.truth(frame), user_id=99))
    world.studio.delete_annotation(annotation.id)
    return torn(annotation.result)


def torn(result: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    (region,) = result
    return [{**region, "value": {**region["value"], "rle": region["value"]["rle"][:-3]}}]


def labelled(world: World) -> tuple[Frame, int]:
    """A frame with a label in the mirror, and the annotation's number."""
    frame, parent, _ = world.read_next()
    annotation = world.submit(frame, world.truth(frame), parent=parent)
    look(world)
    return frame, annotation


def look(world: World) -> None:
    reconcile(world.ingest, world.project.id)


def unreadable(world: World) -> list[UnreadableLabel]:
    with world.database.read() as uow:
        return unreadable_labels(uow, world.project.id)


def export(world: World) -> ExportSet:
    with world.database.read() as uow:
        return gather_export(uow, world.project.id)


def test_what_was_drawn_before_stays_and_is_marked_until_the_label_is_drawn_again(served: World) -> None:
    frame, annotation = labelled(served)
    other, _ = labelled(served)
    served.studio.update(annotation, result=damaged(served, frame))
    look(served)
    (label,) = unreadable(served)
    assert (label.annotation_id, label.frame.id) == (annotation, frame.id)
    assert "need" in label.reason
    assert count_unreadable([label]) == f"labels that cannot be read: 1 (task {frame.task_id})"
    marked = {each.digest: each.may_be_outdated for each in export(served).frames}
    assert marked == {frame.digest: True, other.digest: False}
    assert export(served).unreadable == (label,)
    check(served.parts, served.project.id)
    served.studio.update(annotation, result=[])
    look(served)
    assert unreadable(served) == []
    assert not export(served).outdated()


def test_an_older_label_of_another_reader_is_marked_too(served: World) -> None:
    frame, _ = labelled(served)
    result = damaged(served, frame)
    served.studio.annotate(frame.task_id or 0, result, user_id=OTHER_READER)
    look(served)
    assert [label.frame.id for label in unreadable(served)] == [frame.id]
    assert [each.digest for each in export(served).outdated()] == [frame.digest]


def test_a_label_that_never_could_be_read_is_named_and_its_frame_left_out(served: World) -> None:
    labelled(served)
    frame, _, _ = served.read_next()
    served.studio.annotate(frame.task_id or 0, damaged(served, frame))
    look(served)
    assert [label.frame.id for label in unreadable(served)] == [frame.id]
    assert frame.digest not in {each.digest for each in export(served).frames}
    assert (len(export(served).unreadable), export(served).outdated()) == (1, ())


def test_one_of_a_database_from_before_its_task_was_kept_is_found_by_its_history(served: World) -> None:
    frame, annotation = labelled(served)
    with served.database.write() as uow:
        uow.marks.set_aside("annotation", str(annotation), "got a damaged code", served.clock())
        uow.marks.set_aside("annotation", "987654", "of a task of nobody", served.clock())
        uow.commit()
    assert [label.frame.id for label in unreadable(served)] == [frame.id]


@pytest.mark.parametrize("is_labelled", [True, False])
def test_one_that_was_deleted_unheard_is_struck_off_the_list(served: World, is_labelled: bool) -> None:
    frame, annotation = labelled(served)
    if not is_labelled:
        annotation = served.studio.annotate(frame.task_id or 0, damaged(served, frame), user_id=OTHER_READER)
    else:
        served.studio.update(annotation, result=damaged(served, frame))
    look(served)
    assert len(unreadable(served)) == 1
    served.studio.delete_annotation(annotation)
    look(served)
    assert unreadable(served) == []
    assert served.set_aside() == {}


@pytest.mark.parametrize("is_heard", [True, False])
def test_one_whose_task_was_deleted_is_struck_off_the_list(served: World, is_heard: bool) -> None:
    frame, _, _ = served.read_next()
    annotation = served.studio.annotate(frame.task_id or 0, damaged(served, frame))
    look(served)
    served.studio.delete_task(frame.task_id or 0)
    if is_heard:
        hear(served, "TASKS_DELETED", tasks=[{"id": frame.task_id}])
        drain_inbox(served.ingest)
    else:
        reconcile(served.ingest, served.project.id, full=True)
    assert unreadable(served) == []
    assert str(annotation) not in served.set_aside()


def frozen(world: World) -> TrainingSet:
    """What a round learns from and is judged on now; the round itself is over then."""
    claimed = claim(world.rounds, RULES, planned(world, is_forced=True).id)
    row, training_set = freeze(world.rounds, RULES, claimed, "phantoms")
    mark_cancelled(world.rounds, row)
    return training_set


def versions_of(world: World) -> list[MaskVersion]:
    with world.database.read() as uow:
        return uow.masks.latest_of_all(world.project.id)


def test_a_round_neither_learns_from_such_a_frame_nor_is_judged_on_it(labelled: World) -> None:
    before = frozen(labelled).entries
    parts = Split.TRAIN, Split.HELD_OUT
    frames = {next(each.frame_id for each in before if each.split is part) for part in parts}
    labels = [mask.annotation_id for mask in labelled.current() if mask.frame_id in frames]
    whole = {label: labelled.studio.get_annotation(label).result for label in labels}
    kept = versions_of(labelled)
    for label, result in whole.items():
        labelled.studio.update(label, result=torn(result))
    look(labelled)
    left_out = {each.frame_id for each in before} - {each.frame_id for each in frozen(labelled).entries}
    assert left_out == frames
    assert versions_of(labelled) == kept
    for label, result in whole.items():
        labelled.studio.update(label, result=result)
    look(labelled)
    assert {each.frame_id for each in frozen(labelled).entries} == {each.frame_id for each in before}


def test_such_labels_start_no_round_before_they_can_be_read(labelled: World) -> None:
    """Else the same round would begin again and again: what is left out never becomes old."""
    row, _ = at_gate(labelled)
    judged(labelled, row, 0.9)
    labelled.follow()
    before = {mask.frame_id for mask in labelled.current()}
    label_until(labelled, teaching(labelled) + 8)
    teaches = {frame.id for frame in labelled.frames() if not frame.is_held_out} - before
    label = next(mask.annotation_id for mask in labelled.current() if mask.frame_id in teaches)
    whole = labelled.studio.get_annotation(label).result
    labelled.studio.update(label, result=torn(whole))
    look(labelled)
    assert plan(labelled.rounds, RULES, labelled.project.id).trigger.reason == "7 of 8 new masks"
    labelled.studio.update(label, result=whole)
    look(labelled)
    assert plan(labelled.rounds, RULES, labelled.project.id).round is not None
