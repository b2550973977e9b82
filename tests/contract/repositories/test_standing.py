"""What a project's annotations say now, against a plain-Python reading of the rule, on every database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from db import SqlDatabase
from loop.messages import BAD_ANNOTATION
from loop.records import Decision, Frame, MaskVersion
from loop.unreadable import unreadable_labels
from tests.contract.repositories.rows import NOON, add_frames, add_project, after, append_mask

FRAMES = 3
READERS = 3


@dataclass(frozen=True)
class Event:
    """One state of an annotation; annotations 0 to 5 lie on frames 0 to 2 by turns."""

    annotation: int
    second: int
    decision: Decision
    reader: int | None


EVENTS = st.lists(
    st.builds(
        Event,
        annotation=st.integers(0, 5),
        second=st.integers(0, 3),
        decision=st.sampled_from(Decision),
        reader=st.none() | st.integers(1, READERS),
    ),
    max_size=14,
)


def latest_by_rule(stored: Sequence[MaskVersion]) -> list[MaskVersion]:
    """Per annotation the newest, a tombstone before the version that it buries; by annotation id."""
    latest: dict[int, MaskVersion] = {}
    for version in stored:
        known = latest.setdefault(version.annotation_id, version)
        if age_key(version) > age_key(known):
            latest[version.annotation_id] = version
    return [latest[annotation] for annotation in sorted(latest)]


def age_key(version: MaskVersion) -> tuple[float, bool]:
    return version.updated_at.timestamp(), version.decision is Decision.DELETED


def current_by_rule(latest: Sequence[MaskVersion]) -> list[MaskVersion]:
    current: dict[int, MaskVersion] = {}
    trainable = [version for version in latest if version.decision.is_trainable]
    for version in sorted(trainable, key=lambda version: (version.updated_at, version.annotation_id)):
        current[version.frame_id] = version
    return [current[frame_id] for frame_id in sorted(current)]


def review_by_rule(latest: Sequence[MaskVersion], frame: Frame) -> bool:
    own = [version for version in latest if version.frame_id == frame.id]
    readers = {version.reader_id for version in own if version.decision is Decision.SKIPPED} - {None}
    return len(readers) >= 2 and not any(version.decision.is_trainable for version in own)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None
)
@given(events=EVENTS, taskless=st.integers(0, FRAMES - 1) | st.none())
def test_what_counts_as_labelled_unlabelled_and_for_review(
    database: SqlDatabase, events: list[Event], taskless: int | None
) -> None:
    with database.write() as unit:  # never committed, so that each example begins with no row
        project, other = add_project(unit), add_project(unit)
        frames = add_frames(unit, project, FRAMES)
        readers = {None: None} | {user: unit.readers.ensure(user).id for user in range(1, READERS + 1)}
        if taskless is not None:
            unit.frames.set_tasks({frames[taskless].id: None})
        stored = [
            append_mask(
                unit,
                frames[event.annotation % FRAMES],
                event.annotation,
                event.decision,
                event.second,
                readers[event.reader],
            )
            for event in events
        ]
        latest = latest_by_rule([version for version in stored if version is not None])
        current = current_by_rule(latest)
        labelled = {version.frame_id for version in current}
        review = [frame.id for frame in frames if review_by_rule(latest, frame)]
        with_task = [frame.id for index, frame in enumerate(frames) if index != taskless]

        known = unit.masks.states([404, *(frame.task_id for frame in frames if frame.task_id)])
        assert known == {
            frame.task_id: {
                version.annotation_id: None if version.decision is Decision.DELETED else version.updated_at
                for version in latest
                if version.frame_id == frame.id
            }
            for index, frame in enumerate(frames)
            if index != taskless
        }
        assert unit.masks.latest_of_all(project.id) == latest
        assert unit.masks.current(project.id) == current
        assert unit.masks.count_trainable(project.id) == len(labelled)
        drawn = {version.frame_id for version in stored if version and version.decision.is_trainable}
        assert unit.masks.ever_trainable(project.id) == drawn
        assert unit.masks.ever_trainable(other.id) == set()
        assert [frame.id for frame in unit.frames.for_review(project.id)] == review
        wanting = [frame_id for frame_id in with_task if frame_id not in labelled and frame_id not in review]
        assert [frame.id for frame in unit.frames.unlabelled(project.id)] == wanting
        asked = [frame.id for frame in reversed(frames[1:])]
        among = unit.frames.unlabelled(project.id, [*asked, asked[0]])
        assert [frame.id for frame in among] == [frame_id for frame_id in wanting if frame_id in asked]
        assert unit.frames.unlabelled(project.id, []) == unit.frames.unlabelled(other.id, asked) == []
        assert unit.masks.current(other.id) == []
        assert unit.frames.unlabelled(other.id) == []


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None
)
@given(
    events=EVENTS,
    held_out=st.sets(st.integers(0, FRAMES - 1)),
    aside=st.dictionaries(st.integers(0, 5), st.booleans(), max_size=3),
)
def test_what_the_next_round_would_learn_that_the_last_one_did_not(
    database: SqlDatabase, events: list[Event], held_out: set[int], aside: dict[int, bool]
) -> None:
    """`aside`: annotations that cannot be read, each with whether its task is known."""
    with database.write() as unit:
        project, other = add_project(unit), add_project(unit)
        frames = add_frames(unit, project, FRAMES)
        unit.frames.set_held_out({frames[index].id: True for index in held_out})
        stored = [
            append_mask(
                unit, frames[event.annotation % FRAMES], event.annotation, event.decision, event.second
            )
            for event in events
        ]
        versions = [version for version in stored if version is not None]
        unit.marks.set_aside("frame", "no number", "no image", NOON, task_id=frames[0].task_id)
        for annotation, has_task in aside.items():
            task = frames[annotation % FRAMES].task_id if has_task else None
            unit.marks.set_aside(BAD_ANNOTATION, str(annotation), "a torn code", NOON, task_id=task)
        drawn = {version.annotation_id for version in versions}
        unreadable = {
            frames[each % FRAMES].id for each, has_task in aside.items() if has_task or each in drawn
        }
        blind = {frames[index].id for index in held_out}
        labelled = current_by_rule(latest_by_rule(versions))
        readable = [version for version in labelled if version.frame_id not in unreadable]
        current = [version for version in readable if version.frame_id not in blind]

        assert unit.masks.current(project.id) == labelled
        assert unit.masks.readable(project.id) == readable
        assert {each.frame.id for each in unreadable_labels(unit, project.id)} == unreadable
        assert unit.masks.may_teach(project.id) == bool(current)
        for bound in (0, *(version.id for version in versions)):
            newer = sum(version.id > bound for version in current)
            assert unit.masks.count_to_learn(project.id, after=bound) == newer
        assert unit.masks.count_to_learn(project.id, recorded_after=after(-1)) == len(current)
        assert unit.masks.count_to_learn(project.id, recorded_after=NOON) == 0
        assert not unit.masks.may_teach(other.id)
        assert unit.masks.count_to_learn(other.id) == 0
