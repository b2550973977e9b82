"""Counts for those who watch, on every database."""

from __future__ import annotations

from collections import Counter

from db import SqlDatabase
from loop.messages import Backlog
from loop.records import Decision, FrameCounts
from loop.training_records import Split, TrainingEntry, TrainingSet
from tests.contract.repositories.rows import (
    NOON,
    add_frames,
    add_model,
    add_project,
    after,
    append_mask,
    as_port,
    digest,
    put_prediction,
)


def test_nothing_gives_nothing(database: SqlDatabase) -> None:
    with as_port(database).read() as unit:
        assert unit.figures.inbox() == unit.figures.outbox() == Backlog(0, None)
        assert unit.figures.set_aside() == {}
        assert unit.figures.frames(1, 1) == unit.figures.frames(1, None) == FrameCounts({}, 0)
        assert unit.figures.newest_label(digest(1)) is None


def test_a_backlog_holds_what_is_not_done_and_when_its_oldest_came(database: SqlDatabase) -> None:
    with database.write() as unit:
        for number in range(3):
            unit.inbox.add(
                key=str(number),
                action="ANNOTATION_CREATED",
                label_studio_project=1,
                annotation_ids=[number],
                task_ids=[],
                now=after(number),
            )
            unit.outbox.add("serve", {}, after(number))
        unit.inbox.mark_done(unit.inbox.pending()[0].id, after(9))
        unit.outbox.mark_done(unit.outbox.pending()[0].id, after(9))
        assert unit.figures.inbox() == unit.figures.outbox() == Backlog(2, after(1))
        assert [event.key for event in unit.inbox.since(after(1))] == ["1", "2"]


def test_inputs_that_lie_aside_are_counted_by_kind(database: SqlDatabase) -> None:
    with database.write() as unit:
        for kind, subject in (("file", "a"), ("file", "b"), ("frame", "a")):
            unit.marks.set_aside(kind, subject, "unreadable", NOON)
        assert unit.figures.set_aside() == {"file": 2, "frame": 1}


def test_frames_count_once_by_what_gave_their_current_mask(database: SqlDatabase) -> None:
    with database.write() as unit:
        project = add_project(unit)
        frames = add_frames(unit, project, 9)
        append_mask(unit, frames[0], 1, Decision.ACCEPTED)
        append_mask(unit, frames[0], 1, Decision.FIXED, seconds=5)  # changed later
        append_mask(unit, frames[1], 2, Decision.ACCEPTED)
        append_mask(unit, frames[1], 3, Decision.SKIPPED, seconds=5)  # another reader's skip
        append_mask(unit, frames[2], 4, Decision.SKIPPED)
        append_mask(unit, frames[3], 5, Decision.ACCEPTED)
        append_mask(unit, frames[3], 5, Decision.DELETED, seconds=5)
        append_mask(unit, frames[4], 6, Decision.FIXED, seconds=5)  # the newer of two readings
        append_mask(unit, frames[4], 7, Decision.NO_VEIN)
        append_mask(unit, frames[5], 8, Decision.ACCEPTED)  # a version of before its deletion, heard late
        append_mask(unit, frames[5], 8, Decision.DELETED, seconds=5)
        append_mask(unit, frames[5], 8, Decision.FIXED, seconds=4)
        append_mask(unit, frames[6], 9, Decision.FIXED)  # two at one instant: the later annotation
        append_mask(unit, frames[6], 10, Decision.NO_VEIN)
        append_mask(unit, frames[7], 11, Decision.ACCEPTED)
        append_mask(unit, frames[7], 11, Decision.SKIPPED, seconds=5)  # taken back by a skip
        other = add_project(unit)
        append_mask(unit, add_frames(unit, other, 1)[0], 12)
        expected = {Decision.FIXED: 2, Decision.ACCEPTED: 1, Decision.NO_VEIN: 1, Decision.SKIPPED: 2}
        assert unit.figures.frames(project.id, None).labels == expected
        current = Counter(mask.decision for mask in unit.masks.current(project.id))
        assert {**current, Decision.SKIPPED: 2} == expected
        assert current.total() == unit.masks.count_trainable(project.id)


def test_a_frame_is_unread_while_it_stands_in_label_studio_without_a_mask(database: SqlDatabase) -> None:
    with database.write() as unit:
        project = add_project(unit)
        frames = add_frames(unit, project, 6)
        model, other = add_model(unit, project, 1), add_model(unit, project, 2)
        pushed = [put_prediction(unit, frame, model) for frame in frames[:5]]
        unit.predictions.set_remote({row.id: 100 + row.id for row in pushed[:4]})
        append_mask(unit, frames[0], 1)
        append_mask(unit, frames[1], 2, Decision.SKIPPED)
        assert unit.figures.frames(project.id, model.id).unread == 3
        unit.frames.set_tasks({frames[0].id: None, frames[3].id: None})  # deleted in Label Studio
        assert unit.figures.frames(project.id, model.id).unread == 2
        assert unit.figures.frames(project.id, other.id).unread == 0
        assert unit.figures.frames(project.id, None).unread == 0


def test_the_newest_label_of_a_training_set_is_found(database: SqlDatabase) -> None:
    with database.write() as unit:
        project = add_project(unit)
        frames = add_frames(unit, project, 2)
        entries = []
        for frame in frames:
            mask = append_mask(unit, frame, frame.id)
            assert mask is not None
            entries.append(
                TrainingEntry(frame.id, frame.digest, mask.id, digest(frame.id), "clip", Split.TRAIN)
            )
        unit.rounds.save_training_set(TrainingSet(digest(9), tuple(entries)))
        assert unit.figures.newest_label(digest(9)) == NOON


def test_versions_are_listed_behind_an_id_and_up_to_a_moment(database: SqlDatabase) -> None:
    with database.write() as unit:
        project, other = add_project(unit), add_project(unit)
        frames = add_frames(unit, project, 3)
        found = [append_mask(unit, frame, frame.id) for frame in frames]
        first, second, third = (mask.id for mask in found if mask is not None)

        def ids(behind: int, project_id: int = project.id, until: float = 0, limit: int = 9) -> list[int]:
            rows = unit.masks.recorded_after(behind, project_id, until=after(until), limit=limit)
            return [row.id for row in rows]

        assert ids(0) == [first, second, third]
        assert ids(first) == [second, third]
        assert ids(0, limit=2) == [first, second]
        assert ids(0, until=-1) == []
        assert ids(0, project_id=other.id) == []
