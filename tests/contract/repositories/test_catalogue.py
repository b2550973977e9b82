"""Projects, frames and readers, on every database."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from db import SqlDatabase
from loop.errors import BadRequest, Conflict, NotFound
from loop.records import NewFrame
from tests.contract.repositories.rows import (
    NOON,
    add_frames,
    add_model,
    add_project,
    digest,
    new_frames,
)


def test_a_project_comes_back_as_it_was_stored(database: SqlDatabase) -> None:
    with database.write() as unit:
        stored = unit.projects.add("Unterarm, ä", ("Vein", "Artery"), {"seed": 3, "shares": [0.1, None]})
        unit.projects.set_label_studio_id(stored.id, 41)
        unit.projects.set_settings(stored.id, {"seed": 4})
        unit.commit()
    with database.read() as unit:
        found = unit.projects.find_by_label_studio_id(41)
        assert found == unit.projects.get(stored.id) == unit.projects.list()[0]
    assert found is not None
    assert (found.title, found.classes, found.settings) == ("Unterarm, ä", ("Vein", "Artery"), {"seed": 4})
    assert stored.settings == {"seed": 3, "shares": [0.1, None]}


def test_an_unknown_project_is_not_found(database: SqlDatabase) -> None:
    with database.write() as unit:
        assert unit.projects.find_by_label_studio_id(1) is None
        for call in (
            lambda: unit.projects.get(9),
            lambda: unit.projects.set_label_studio_id(9, 1),
            lambda: unit.projects.set_settings(9, {}),
            lambda: unit.projects.set_champion(9, 1),
        ):
            with pytest.raises(NotFound):
                call()


def test_two_projects_cannot_mirror_one(database: SqlDatabase) -> None:
    with database.write() as unit:
        first, second = add_project(unit), add_project(unit)
        unit.projects.set_label_studio_id(first.id, 5)
        with pytest.raises(Conflict):
            unit.projects.set_label_studio_id(second.id, 5)


def test_the_champion_is_a_version_of_the_same_project(database: SqlDatabase) -> None:
    with database.write() as unit:
        own, other = add_project(unit), add_project(unit)
        version, foreign = add_model(unit, own), add_model(unit, other)
        unit.projects.set_champion(own.id, version.id)
        assert unit.projects.get(own.id).champion_id == version.id
        with pytest.raises(NotFound):
            unit.projects.set_champion(own.id, foreign.id)
        assert unit.projects.get(own.id).champion_id == version.id


def test_frames_come_back_in_the_given_order_and_known_digests_are_passed_over(database: SqlDatabase) -> None:
    with database.write() as unit:
        project, other = add_project(unit), add_project(unit)
        first = unit.frames.add(project.id, new_frames(3), NOON)
        wanted = [*new_frames(2, first=7), *new_frames(5), *new_frames(1, first=7)]
        second = unit.frames.add(project.id, wanted, NOON)
        assert [frame.digest for frame in first] == [digest(0), digest(1), digest(2)]
        assert [frame.digest for frame in second] == [digest(7), digest(8), digest(3), digest(4)]
        assert unit.frames.add(project.id, new_frames(9), NOON)[0].digest == digest(5)
        assert unit.frames.add(project.id, [], NOON) == []
        assert len(unit.frames.add(other.id, new_frames(3), NOON)) == 3
        assert (unit.frames.count(project.id), unit.frames.count(other.id)) == (9, 3)


def test_a_frame_comes_back_as_it_was_stored(database: SqlDatabase) -> None:
    with database.write() as unit:
        project = add_project(unit)
        wanted = NewFrame(digest(1), 640, 480, "clip ü", "patient 7", is_held_out=True)
        frame = unit.frames.add(project.id, [wanted], NOON)[0]
        assert frame == unit.frames.get(frame.id) == unit.frames.list(project.id)[0]
    assert (frame.width, frame.height, frame.clip, frame.patient) == (640, 480, "clip ü", "patient 7")
    assert (frame.is_held_out, frame.task_id, frame.imported_at) == (True, None, NOON)


def test_frames_of_an_unknown_project_are_refused(database: SqlDatabase) -> None:
    with database.write() as unit, pytest.raises(NotFound):
        unit.frames.add(404, new_frames(1), NOON)


def test_frames_get_another_clip_and_patient(database: SqlDatabase) -> None:
    with database.write() as unit:
        first, second, third = add_frames(unit, add_project(unit), 3)
        unit.frames.regroup({first.id: ("clip ü", "patient"), second.id: ("b", None)})
        unit.frames.regroup({first.id: ("clip ü", None)})
        unit.frames.regroup({})
        found = [(each.clip, each.patient) for each in unit.frames.list(first.project_id)]
        assert found == [("clip ü", None), ("b", None), (third.clip, None)]
        with pytest.raises(NotFound):
            unit.frames.regroup({404: ("a", None)})


def test_thousands_of_frames_are_read_by_id_at_once(database: SqlDatabase) -> None:
    with database.write() as unit:
        project = add_project(unit)
        frames = unit.frames.add(project.id, new_frames(2500), NOON)
        ids = [frame.id for frame in frames]
        assert unit.frames.get_many([*ids, ids[0]]) == {frame.id: frame for frame in frames}
        assert unit.frames.get_many([]) == {}
        assert [frame.id for frame in unit.frames.list(project.id)] == sorted(ids)
        with pytest.raises(NotFound):
            unit.frames.get_many([ids[0], ids[-1] + 1])


def test_tasks_are_set_cleared_and_swapped(database: SqlDatabase) -> None:
    with database.write() as unit:
        first, second = add_frames(unit, add_project(unit), 2)
        assert first.task_id is not None
        assert second.task_id is not None
        unit.frames.set_tasks({first.id: second.task_id, second.id: first.task_id})
        found = unit.frames.find_by_task(first.task_id)
        assert found is not None
        assert found.id == second.id
        unit.frames.set_tasks({second.id: None})
        assert unit.frames.find_by_task(first.task_id) is None
        assert [frame.id for frame in unit.frames.without_task(first.project_id)] == [second.id]
        assert unit.frames.task_ids(first.project_id) == {second.task_id}
        unit.frames.set_tasks({})
        with pytest.raises(NotFound):
            unit.frames.set_tasks({second.id + 1: 77})


def test_a_task_goes_over_to_the_frame_that_names_it_last(database: SqlDatabase) -> None:
    with database.write() as unit:
        first, second = add_frames(unit, add_project(unit), 2)
        unit.frames.set_tasks({second.id: first.task_id})
        assert unit.frames.get(first.id).task_id is None
        assert unit.frames.get(second.id).task_id == first.task_id


def test_pinned_frames_are_held_out(database: SqlDatabase) -> None:
    with database.write() as unit:
        frames = add_frames(unit, add_project(unit), 4)
        unit.frames.set_held_out({frames[0].id: False, frames[1].id: True, frames[2].id: True})
        held_out = [frame.is_held_out for frame in unit.frames.list(frames[0].project_id)]
    assert held_out == [False, True, True, False]


def test_a_reader_is_stored_once_and_stays_simulated(database: SqlDatabase) -> None:
    with database.write() as unit:
        person = unit.readers.ensure(11)
        assert unit.readers.ensure(11) == unit.readers.get(person.id) == person
        with pytest.raises(NotFound):
            unit.readers.get(person.id + 999)
        assert not person.is_simulated
        simulated = unit.readers.mark_simulated(12)
        assert simulated.is_simulated
        assert unit.readers.ensure(12) == simulated == unit.readers.mark_simulated(12)
        assert unit.readers.mark_simulated(11).id == person.id


def test_a_moment_of_another_zone_comes_back_in_utc(database: SqlDatabase) -> None:
    moment = datetime(2030, 6, 1, 14, 30, 0, 123456, tzinfo=timezone(timedelta(hours=5.5)))
    with database.write() as unit:
        frame = unit.frames.add(add_project(unit).id, new_frames(1), moment)[0]
    assert frame.imported_at == moment
    assert frame.imported_at.utcoffset() == timedelta(0)


def test_a_moment_without_a_zone_is_refused(database: SqlDatabase) -> None:
    with database.write() as unit, pytest.raises(BadRequest, match="time zone"):
        unit.frames.add(add_project(unit).id, new_frames(1), NOON.replace(tzinfo=None))
