"""Frozen training sets, and the way back through the history of service."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loop.errors import BadRequest
from loop.manifest import build_training_set, manifest_digest
from loop.records import Decision, Frame, MaskVersion
from loop.training_records import Split
from loop.versions import predecessor

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def frame(number: int, clip: str, *, is_held_out: bool = False) -> Frame:
    return Frame(number, 1, f"{number:064x}", 8, 8, clip, None, is_held_out, number, NOON)


def mask(number: int, *, proposal_id: int | None = None) -> MaskVersion:
    return MaskVersion(
        id=number * 10,
        frame_id=number,
        annotation_id=number,
        updated_at=NOON,
        reader_id=1,
        decision=Decision.FIXED,
        mask_digest=f"{number + 1000:064x}",
        seconds=None,
        proposal_id=proposal_id,
        dice_to_proposal=None,
        is_simulated=False,
        recorded_at=NOON,
    )


def frames_of(held_out: set[int], clips: int = 6, per_clip: int = 3) -> dict[int, Frame]:
    numbers = range(1, clips * per_clip + 1)
    return {
        number: frame(number, f"c{number % clips}", is_held_out=number % clips in held_out)
        for number in numbers
    }


@given(st.sets(st.integers(0, 5), max_size=4), st.integers(0, 9), st.data())
def test_no_group_is_in_two_splits_and_held_out_frames_never_teach(
    held_out: set[int], seed: int, data: st.DataObject
) -> None:
    frames = frames_of(held_out)
    labelled = [mask(number) for number in sorted(data.draw(st.sets(st.sampled_from(sorted(frames)))))]
    if all(frames[item.frame_id].is_held_out for item in labelled):
        with pytest.raises(BadRequest):
            build_training_set(labelled, frames, 0.2, seed)
        return
    training_set = build_training_set(labelled, frames, 0.2, seed)
    splits: dict[str, set[Split]] = {}
    for entry in training_set.entries:
        splits.setdefault(entry.group, set()).add(entry.split)
        assert (entry.split is Split.HELD_OUT) == frames[entry.frame_id].is_held_out
    assert all(len(found) == 1 for found in splits.values())
    assert {entry.frame_id for entry in training_set.entries} == {item.frame_id for item in labelled}


def test_equal_labels_give_one_digest_whatever_their_row_numbers() -> None:
    frames = frames_of({0})
    labelled = [mask(number) for number in frames]
    first = build_training_set(labelled, frames, 0.2, 0)
    again = build_training_set([replace(item, id=item.id + 7) for item in reversed(labelled)], frames, 0.2, 0)
    other = build_training_set([replace(labelled[0], mask_digest="f" * 64), *labelled[1:]], frames, 0.2, 0)
    assert first.digest == again.digest == manifest_digest(reversed(first.entries))
    assert first.digest != other.digest


def test_a_held_out_mask_that_was_drawn_over_a_proposal_judges_nobody() -> None:
    frames = frames_of({0})
    labelled = [mask(number, proposal_id=5 if number == 6 else None) for number in frames]
    entries = build_training_set(labelled, frames, 0.2, 0).entries
    assert frames[6].is_held_out
    assert 6 not in {entry.frame_id for entry in entries}
    assert len(entries) == len(frames) - 1


@pytest.mark.parametrize(
    ("versions", "before"),
    [([], None), ([1], None), ([1, 2], 1), ([1, 2, 3], 2), ([1, 2, 3, 2], 1), ([1, 2, 3, 2, 1], None)],
)
def test_each_rollback_goes_one_further_back_and_never_returns(
    versions: list[int], before: int | None
) -> None:
    history = [(version, NOON + timedelta(hours=hour)) for hour, version in enumerate(versions)]
    assert predecessor(history) == before
