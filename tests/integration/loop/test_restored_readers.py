"""Labels whose reader is gone, or drew or skipped the frame again, come back once and over nothing newer."""

from __future__ import annotations

import pytest

from loop.ingest import reconcile
from loop.records import Decision
from loop.remote import LostAnnotation
from loop.restoring import Return
from tests.integration.loop.test_restoring import (
    ANN,
    BOB,
    buried,
    delete_all,
    labelled,
    restore,
    standing,
)
from tests.integration.loop.world import World


def test_what_came_back_under_the_first_account_is_missing_no_more(served: World) -> None:
    labelled(served)
    delete_all(served, with_tasks=False)
    served.studio.unknown_users = {ANN, BOB}
    assert restore(served).under_first_account == 7
    assert buried(served) == []
    drawn = [each for task in served.studio.tasks.values() for each in task.annotations]
    made = next(each for each in drawn if not each.was_cancelled)
    served.clock.advance(3600)
    served.studio.update(made.id, result=[])
    served.clock.advance(60)
    reconcile(served.ingest, served.project.id)
    served.studio.delete_annotation(made.id)
    served.clock.advance(60)
    assert restore(served).labels == {Return.BACK: 1}
    assert [each.brings_back for each in served.studio.task(made.task_id).annotations] == [made.id]
    assert served.history(served.frame_of(made.task_id))[-1].decision is Decision.NO_VEIN


def test_one_that_came_back_under_the_first_account_hides_none_of_that_account(served: World) -> None:
    first_account = 1
    frame, parent, _ = served.read_next(ANN)
    served.submit(frame, served.truth(frame), user_id=ANN, parent=parent)
    served.clock.advance(60)
    served.studio.annotate(frame.task_id or 0, [], user_id=first_account)
    served.clock.advance(60)
    reconcile(served.ingest, served.project.id)
    delete_all(served, with_tasks=False)
    served.studio.unknown_users = {ANN}
    older, newer = buried(served)
    restore(served, [older])
    assert buried(served) == [newer]
    assert restore(served).labels == {Return.BACK: 1}
    assert [each.decision for each in served.current()] == [Decision.NO_VEIN]


def test_a_number_that_somebody_else_gave_to_an_import_hides_nothing(served: World) -> None:
    """Label Studio keeps the numbers of whatever is imported."""
    labelled(served)
    delete_all(served, with_tasks=False)
    first, second, *others = buried(served)
    what = LostAnnotation(
        task_id=second.frame.task_id or 0,
        user_id=None,
        result=[],
        was_cancelled=False,
        began_at=served.clock(),
        lead_time=None,
        parent_prediction=None,
        brings_back=first.tombstone.annotation_id,
        key="another's",
    )
    served.studio.bring_back(what)
    served.clock.advance(60)
    reconcile(served.ingest, served.project.id)
    assert buried(served) == [first, second, *others]


def test_without_its_reader_it_keeps_the_key_of_what_was_shown(served: World) -> None:
    frame, parent, _ = served.read_next(BOB)
    served.submit(frame, served.truth(frame), user_id=BOB, parent=parent)
    reconcile(served.ingest, served.project.id)
    delete_all(served, with_tasks=False)
    served.studio.unknown_users = {BOB}
    assert restore(served).under_first_account == 1
    (made,) = served.studio.task(frame.task_id or 0).annotations
    assert parent is not None
    assert made.parent_prediction == parent


def test_what_was_shown_stays_known_where_label_studio_has_lost_it(served: World) -> None:
    """The page was opened before the version changed, which the time of the label does not tell."""
    frame, parent, _ = served.read_next(BOB)
    served.clock.advance(60)
    served.model()
    served.follow()
    served.clock.advance(60)
    served.submit(frame, served.truth(frame), user_id=BOB, parent=parent)
    reconcile(served.ingest, served.project.id)
    before = standing(served)
    delete_all(served, with_tasks=False)
    served.studio.stored_predictions.pop(parent or 0)
    restore(served)
    assert standing(served) == before


def test_a_skip_of_the_same_reader_that_came_before_the_mirror_looked_is_newer(served: World) -> None:
    frame, parent, _ = served.read_next(BOB)
    key = served.submit(frame, served.truth(frame), user_id=BOB, parent=parent)
    served.clock.advance(60)
    reconcile(served.ingest, served.project.id)
    served.studio.delete_annotation(key)
    served.clock.advance(60)
    served.studio.annotate(frame.task_id or 0, [], user_id=BOB, was_cancelled=True)
    served.clock.advance(60)
    assert restore(served).labels == {}
    assert buried(served) == []
    assert served.current() == []


@pytest.mark.parametrize(("reader", "outcome"), [(BOB, Return.NEWER), (ANN, Return.BACK)])
def test_a_skip_after_the_labels_were_listed_is_newer_where_it_is_the_readers(
    served: World, reader: int, outcome: Return
) -> None:
    frame, parent, _ = served.read_next(BOB)
    served.submit(frame, served.truth(frame), user_id=BOB, parent=parent)
    served.clock.advance(60)
    reconcile(served.ingest, served.project.id)
    delete_all(served, with_tasks=False)
    listed = buried(served)
    served.studio.annotate(frame.task_id or 0, [], user_id=reader, was_cancelled=True)
    assert restore(served, listed).labels == {outcome: 1}
