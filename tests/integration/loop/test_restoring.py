"""Labels that were deleted in Label Studio come back as they were, once, and over nothing newer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from cli.labels import choose
from loop.burials import BuriedLabel, buried_labels
from loop.ingest import reconcile
from loop.records import Decision, MaskVersion
from loop.restoring import Restored, RestorePorts, Return, restore_labels
from tests.fakes.crash import Crash
from tests.integration.loop.world import World
from tests.invariants import check, export_digests, settle

ANN, BOB = 2, 3


def buried(world: World) -> list[BuriedLabel]:
    with world.database.read() as uow:
        return buried_labels(uow, world.project.id)


def restore(world: World, chosen: Sequence[BuriedLabel] | None = None) -> Restored:
    reconcile(world.ingest, world.project.id)
    what = buried(world) if chosen is None else chosen
    ports = RestorePorts(world.ingest, world.queue)
    restored = restore_labels(ports, world.project.id, what, lambda *_: None)
    reconcile(world.ingest, world.project.id)
    return restored


def standing(world: World) -> dict[int, tuple[object, ...]]:
    """What is known of each labelled frame, but for the number and the time of its annotation."""
    return {
        each.frame_id: (
            each.mask_digest,
            each.decision,
            each.reader_id,
            each.seconds,
            each.proposal_id,
            each.dice_to_proposal,
        )
        for each in world.current()
    }


def labelled(world: World) -> tuple[dict[int, tuple[object, ...]], dict[str, str]]:
    """Six labels, one of them empty, one corrected, and a skip."""
    world.clock.advance(60)  # the readers have had the drawings for as long as they say that they took
    world.label(4)
    frame, parent, _ = world.read_next(BOB)
    world.submit(frame, world.truth(frame) & False, user_id=BOB, parent=parent)
    frame, parent, shown = world.read_next(BOB)
    key = world.studio.annotate(frame.task_id or 0, shown, user_id=BOB, parent_prediction=parent)
    world.studio.update(key, result=[])
    world.studio.update(key, result=shown, lead_time=9.5)
    frame, *_ = world.read_next(BOB)
    world.studio.annotate(frame.task_id or 0, [], user_id=BOB, was_cancelled=True)
    world.clock.advance(60)
    reconcile(world.ingest, world.project.id)
    return standing(world), export_digests(world.parts, world.project.id)


def delete_all(world: World, *, with_tasks: bool) -> None:
    drawn = [(task.id, each.id) for task in world.studio.tasks.values() for each in task.annotations]
    for task_id in {task_id for task_id, _ in drawn} if with_tasks else ():
        world.studio.delete_task(task_id)
    for _, annotation_id in () if with_tasks else drawn:
        world.studio.delete_annotation(annotation_id)
    world.clock.advance(60)
    reconcile(world.ingest, world.project.id)
    world.clock.advance(3600)
    assert world.current() == []


@pytest.mark.parametrize("with_tasks", [False, True])
def test_everything_is_as_it_was_and_a_second_time_makes_nothing(served: World, with_tasks: bool) -> None:
    before, exported = labelled(served)
    delete_all(served, with_tasks=with_tasks)
    assert len(buried(served)) == 7
    restored = restore(served)
    assert (restored.labels, restored.tasks) == ({Return.BACK: 7}, 7 if with_tasks else 0)
    assert standing(served) == before
    assert export_digests(served.parts, served.project.id) == exported
    assert buried(served) == []
    assert restore(served).labels == {}
    assert served.set_aside() == {}
    settle(served.parts, served.project.id)
    check(served.parts, served.project.id)


def test_a_frame_that_was_skipped_is_skipped_again(served: World) -> None:
    frame, *_ = served.read_next(BOB)
    served.studio.annotate(frame.task_id or 0, [], user_id=BOB, was_cancelled=True)
    reconcile(served.ingest, served.project.id)
    delete_all(served, with_tasks=False)
    restore(served)
    assert [each.decision for each in served.history(frame)][-1] is Decision.SKIPPED


def test_a_newer_label_of_the_frame_stays_the_one_that_counts(served: World) -> None:
    frame, parent, _ = served.read_next(ANN)
    served.submit(frame, served.truth(frame), user_id=ANN, parent=parent)
    reconcile(served.ingest, served.project.id)
    delete_all(served, with_tasks=False)
    served.studio.annotate(frame.task_id or 0, [], user_id=BOB)
    served.clock.advance(60)
    assert restore(served).labels == {Return.NEWER: 1}
    (current,) = served.current()
    assert current.decision is Decision.NO_VEIN


def test_what_its_reader_has_drawn_anew_is_not_missing(served: World) -> None:
    frame, parent, _ = served.read_next(ANN)
    served.submit(frame, served.truth(frame), user_id=ANN, parent=parent)
    reconcile(served.ingest, served.project.id)
    delete_all(served, with_tasks=False)
    anew = served.studio.annotate(frame.task_id or 0, [], user_id=ANN)
    served.clock.advance(60)
    reconcile(served.ingest, served.project.id)
    assert buried(served) == []
    served.studio.delete_annotation(anew)
    reconcile(served.ingest, served.project.id)
    assert [each.tombstone.annotation_id for each in buried(served)] == [anew]


def two_readers(world: World) -> list[MaskVersion]:
    """Two labels of one frame, of which the second counts; both are deleted."""
    frame, parent, _ = world.read_next(ANN)
    world.submit(frame, world.truth(frame), user_id=ANN, parent=parent)
    world.clock.advance(60)
    world.studio.annotate(frame.task_id or 0, [], user_id=BOB)
    world.clock.advance(60)
    reconcile(world.ingest, world.project.id)
    before = world.current()
    delete_all(world, with_tasks=False)
    return before


@pytest.mark.parametrize("first", [0, 1])
def test_of_two_labels_that_come_back_one_by_one_the_later_drawn_counts(served: World, first: int) -> None:
    (before,) = two_readers(served)
    both = buried(served)
    assert restore(served, [both[first]]).labels == {Return.BACK: 1}
    served.clock.advance(60)
    restore(served)
    (current,) = served.current()
    assert (current.mask_digest, current.reader_id) == (before.mask_digest, before.reader_id)


def test_one_that_was_changed_after_it_came_back_is_newer(served: World) -> None:
    two_readers(served)
    older = buried(served)[0]
    restore(served, [older])
    (made,) = [each for task in served.studio.tasks.values() for each in task.annotations]
    served.clock.advance(60)
    served.studio.update(made.id, result=[])
    served.clock.advance(60)
    assert restore(served).labels == {Return.NEWER: 1}
    assert [each.annotation_id for each in served.current()] == [made.id]


def test_a_run_that_dies_anywhere_goes_on_and_makes_nothing_twice(served: World) -> None:
    before, _ = labelled(served)
    delete_all(served, with_tasks=True)
    deaths = 0
    for step in range(5, 200, 5):
        served.restart(at=step)
        try:
            restore(served)
            break
        except Crash:
            deaths += 1
    assert deaths > 5
    assert standing(served) == before
    drawn = [each for task in served.studio.tasks.values() for each in task.annotations]
    assert len(drawn) == len({each.brings_back for each in drawn}) == 7


def test_a_reader_who_is_unknown_by_now_gives_way_to_the_first_account(served: World) -> None:
    before, _ = labelled(served)
    delete_all(served, with_tasks=False)
    served.studio.unknown_users = {BOB}
    restored = restore(served)
    assert (restored.labels, restored.under_first_account) == ({Return.BACK: 7}, 3)
    assert {key: value[0] for key, value in standing(served).items()} == {
        key: value[0] for key, value in before.items()
    }
    assert restore(served).labels[Return.BACK] == 0


def test_a_label_whose_mask_is_damaged_stops_no_other(served: World) -> None:
    labelled(served)
    delete_all(served, with_tasks=False)
    drawn = [version for each in buried(served) for version in served.history(each.frame)]
    digest = next(each.mask_digest for each in drawn if each.mask_digest)
    served.storage.content["masks", digest] = b"rubbish"
    restored = restore(served)
    assert restored.labels[Return.REFUSED] >= 1
    assert restored.labels.total() == 7
    assert len(restored.reasons) == restored.labels[Return.REFUSED]


def test_labels_are_chosen_by_moment_and_task(served: World) -> None:
    labelled(served)
    delete_all(served, with_tasks=False)
    all_of_them = buried(served)
    moment = all_of_them[0].at.replace(tzinfo=None)
    assert choose(all_of_them, moment, []) == all_of_them
    assert choose(all_of_them, moment.replace(year=moment.year + 1), []) == []
    task = all_of_them[3].frame.task_id or 0
    assert choose(all_of_them, None, [task]) == [all_of_them[3]]
    gone = replace(all_of_them[3], frame=replace(all_of_them[3].frame, task_id=None))
    assert choose([gone], None, [task]) == []
