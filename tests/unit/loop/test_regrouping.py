"""Which known frames may get another clip and patient, and who is held out then."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from loop.records import Frame
from loop.regrouping import Claim, Regrouping, plan_regrouping

NOON = datetime(2030, 6, 1, 12, tzinfo=UTC)


def frame(number: int, clip: str, patient: str | None = None, *, out: bool = False) -> Frame:
    return Frame(number, 1, f"digest {number}", 8, 8, clip, patient, out, number, NOON)


def told(number: int, clip: str, patient: str | None = None) -> Claim:
    """By a table, against whatever is stored."""
    return Claim(f"digest {number}", clip, patient, None, patient is not None)


def sides(frames: list[Frame], plan: Regrouping) -> dict[int, bool]:
    return {each.id: plan.held_out.get(each.id, each.is_held_out) for each in frames}


def test_without_claims_nothing_changes() -> None:
    assert plan_regrouping([frame(1, "a")], [], {1}) == Regrouping({}, {}, set(), set())


def test_unlabelled_frames_that_were_held_out_one_by_one_are_chosen_anew_as_a_clip() -> None:
    frames = [frame(number, f"alone {number}", out=number < 3) for number in range(10)]
    plan = plan_regrouping(frames, [told(number, "film") for number in range(10)], ())
    assert set(plan.places.values()) == {("film", None)}
    assert plan.held_out == dict.fromkeys(range(3), False)
    assert not plan.refused


def test_a_clip_that_was_held_out_as_a_whole_stays_so_under_another_name() -> None:
    frames = [frame(1, "a", out=True), frame(2, "a", out=True)]
    plan = plan_regrouping(frames, [told(1, "b"), told(2, "b")], ())
    assert sides(frames, plan) == {1: True, 2: True}


def test_a_group_with_labels_that_teach_takes_unlabelled_frames_to_its_side() -> None:
    frames = [frame(1, "x"), frame(2, "y", out=True), frame(3, "z")]
    plan = plan_regrouping(frames, [told(number, "film") for number in (1, 2, 3)], {1})
    assert (sides(frames, plan), plan.refused) == ({1: False, 2: False, 3: False}, set())


def test_a_group_with_labels_that_test_is_held_out_as_a_whole() -> None:
    frames = [frame(1, "x"), frame(2, "y", out=True)]
    plan = plan_regrouping(frames, [told(1, "film"), told(2, "film")], {2})
    assert (sides(frames, plan), plan.refused) == ({1: True, 2: True}, set())


def test_a_label_that_tests_never_comes_to_those_that_teach() -> None:
    frames = [frame(1, "x"), frame(2, "y", out=True), frame(3, "z", out=True)]
    plan = plan_regrouping(frames, [told(number, "film") for number in (1, 2, 3)], {1, 2})
    assert plan.refused == {2}
    assert plan.places == {1: ("film", None), 3: ("film", None)}
    assert sides(frames, plan) == {1: False, 2: True, 3: False}


def test_a_label_that_teaches_never_comes_to_those_that_test() -> None:
    frames = [frame(1, "x"), frame(2, "film", out=True)]
    plan = plan_regrouping(frames, [told(1, "film")], {1, 2})
    assert (plan.refused, plan.places, plan.held_out) == ({1}, {}, {})


def test_within_a_patient_a_clip_changes_whatever_is_labelled() -> None:
    frames = [frame(1, "a", "p", out=True), frame(2, "b", "p", out=True)]
    plan = plan_regrouping(frames, [told(1, "b", "p")], {1, 2})
    assert (plan.places, plan.held_out, plan.refused) == ({1: ("b", "p")}, {}, set())


def test_a_clue_that_is_no_better_changes_nothing_and_is_told() -> None:
    frames = [frame(1, "film"), frame(2, "alone 2")]
    claims = [Claim(f"digest {number}", "other", "p", frozenset({f"alone {number}"})) for number in (1, 2)]
    plan = plan_regrouping(frames, claims, ())
    assert (plan.places, plan.differing) == ({2: ("other", "p")}, {1})


def test_a_patient_is_not_forgotten_by_a_table_without_patients() -> None:
    plan = plan_regrouping([frame(1, "a", "p")], [told(1, "b")], ())
    assert plan.places == {1: ("b", "p")}


def test_a_patient_of_a_table_is_replaced_by_another_table_and_never_by_a_folder() -> None:
    frames = [frame(number, f"a{number}", f"p{number}") for number in (1, 2)]
    by_folder = [Claim(each.digest, each.clip, "site") for each in frames]
    further_up = [Claim(each.digest, f"up/{each.clip}", "site", frozenset({each.clip})) for each in frames]
    for claims in (by_folder, further_up):
        assert plan_regrouping(frames, claims, ()) == Regrouping({}, {}, set(), {1, 2})
    plan = plan_regrouping(frames, [told(1, "a1", "q")], ())
    assert (plan.places, plan.differing) == ({1: ("a1", "q")}, set())


def test_a_table_of_clips_alone_parts_none_between_the_patients_that_are_known() -> None:
    frames = [frame(number, f"film {number // 2}", f"p{number // 2}", out=number < 2) for number in range(6)]
    plan = plan_regrouping(frames, [told(number, f"movie {(number + 1) // 2}") for number in range(6)], ())
    assert plan.places == {0: ("movie 0", "p0"), 5: ("movie 3", "p2")}
    assert plan.differing == {1, 2, 3, 4}


def test_a_clip_of_which_a_labelled_frame_must_stay_stays_whole() -> None:
    frames = [frame(1, "film"), frame(2, "film"), frame(3, "other", "p", out=True)]
    plan = plan_regrouping(frames, [told(1, "film", "p"), told(2, "film", "p")], {1, 3})
    assert (plan.places, plan.held_out) == ({}, {})
    assert (plan.refused, plan.differing) == ({1}, {2})


def test_of_two_claims_to_one_frame_the_first_counts() -> None:
    plan = plan_regrouping([frame(1, "a")], [told(1, "b"), told(1, "c")], ())
    assert plan.places == {1: ("b", None)}


NAMES = st.sampled_from("abcd")
PATIENTS = st.sampled_from(["p", "q", None])


@given(
    st.lists(st.tuples(NAMES, PATIENTS, st.booleans(), NAMES, PATIENTS), max_size=12),
    st.sets(st.integers(0, 11)),
)
def test_no_label_changes_sides_and_no_group_or_clip_is_newly_parted(
    rows: list[tuple[str, str | None, bool, str, str | None]], labelled: Collection[int]
) -> None:
    groups_out = {patient or clip for clip, patient, is_out, *_ in rows if is_out}
    frames = [
        frame(number, clip, patient, out=(patient or clip) in groups_out)
        for number, (clip, patient, *_) in enumerate(rows)
    ]
    claims = [told(number, clip, patient) for number, (*_, clip, patient) in enumerate(rows)]
    plan = plan_regrouping(frames, claims, labelled)
    after = sides(frames, plan)
    sides_of_group: dict[str, set[bool]] = {}
    for each in frames:
        clip, patient = plan.places.get(each.id, (each.clip, each.patient))
        sides_of_group.setdefault(patient or clip, set()).add(after[each.id])
        assert each.id not in labelled or after[each.id] == each.is_held_out
    assert all(len(found) == 1 for found in sides_of_group.values())
    moved_to = {clip for clip, _ in plan.places.values()}
    places = [plan.places.get(each.id, (each.clip, each.patient)) for each in frames]
    for clip in moved_to:
        assert len({patient or clip for name, patient in places if name == clip}) == 1
