"""A mass deletion is told from the deletions of every day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from loop.burials import MassDeletion, find_mass_deletion
from loop.records import Decision, MaskVersion

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
DRAWN = NOW - timedelta(days=20)


def label(number: int, *, deleted: timedelta | None = None, frame: int = 0, reader: int = 1) -> MaskVersion:
    """An annotation of its own frame; `deleted`: so long ago."""
    return MaskVersion(
        id=number,
        frame_id=frame or number,
        annotation_id=number,
        updated_at=DRAWN,
        reader_id=reader,
        decision=Decision.FIXED if deleted is None else Decision.DELETED,
        mask_digest=None,
        seconds=None,
        proposal_id=None,
        dice_to_proposal=None,
        is_simulated=False,
        recorded_at=DRAWN if deleted is None else NOW - deleted,
    )


def labels(living: int, deleted: int, spread: timedelta = timedelta(minutes=50)) -> list[MaskVersion]:
    """The deleted ones went one by one, the first of them a day ago."""
    gone = [
        label(1000 + number, deleted=timedelta(days=1) - number * spread / max(1, deleted - 1))
        for number in range(deleted)
    ]
    return [*map(label, range(1, living + 1)), *gone]


def test_many_within_an_hour_are_a_mass_deletion_from_the_first_of_them_on() -> None:
    found = find_mass_deletion(labels(40, 11), {}, NOW)
    assert found == MassDeletion(11, 51, NOW - timedelta(days=1))


@pytest.mark.parametrize(
    ("living", "deleted", "spread"),
    [
        (0, 9, timedelta(minutes=50)),
        (40, 10, timedelta(minutes=50)),
        (20, 11, timedelta(hours=5)),
        (50, 0, timedelta(0)),
    ],
    ids=["nine", "a fifth and no more", "over an afternoon", "none"],
)
def test_fewer_or_slower_ones_are_not(living: int, deleted: int, spread: timedelta) -> None:
    assert find_mass_deletion(labels(living, deleted, spread), {}, NOW) is None


def test_the_largest_hour_of_the_last_days_counts() -> None:
    early = [label(2000 + number, deleted=timedelta(days=3)) for number in range(15)]
    old = [label(3000 + number, deleted=timedelta(days=8)) for number in range(40)]
    found = find_mass_deletion([*labels(10, 12), *early, *old], {}, NOW)
    assert found == MassDeletion(15, 37, NOW - timedelta(days=3))


def test_what_was_brought_back_or_drawn_anew_is_told_no_more() -> None:
    gone = [label(number, deleted=timedelta(days=1), frame=number) for number in range(1, 21)]
    assert find_mass_deletion(gone, {}, NOW) is not None
    anew = [
        MaskVersion(**{**vars(label(100 + each.frame_id, frame=each.frame_id, reader=2)), "updated_at": NOW})
        for each in gone
    ]
    assert find_mass_deletion([*gone, *anew], {}, NOW) is None
    before = [label(100 + each.frame_id, frame=each.frame_id, reader=2) for each in gone]
    assert find_mass_deletion([*gone, *before], {}, NOW) is not None


def test_a_skip_that_came_back_under_another_reader_is_told_no_more() -> None:
    gone = [label(number, deleted=timedelta(days=1)) for number in range(1, 21)]
    returns = {each.annotation_id: 100 + each.annotation_id for each in gone}
    assert find_mass_deletion(gone, returns, NOW) is None
    assert find_mass_deletion(gone, dict(list(returns.items())[:8]), NOW) is not None
