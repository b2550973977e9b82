"""Labels that were deleted in Label Studio: which of them are missing now, and whether many went at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from loop.ports import UnitOfWork
from loop.records import Decision, Frame, MaskVersion
from loop.returns import list_returns

WINDOW = timedelta(hours=1)
TOLD_FOR = timedelta(days=7)
"""So long after a mass deletion it is told; who wanted it need not hear of it for ever."""
FEWEST, SHARE = 10, 0.20
"""So many labels at least, and more than this share of all, make a mass deletion of what went in an hour."""


@dataclass(frozen=True)
class BuriedLabel:
    """A deleted label: its tombstone, whose `recorded_at` is when the mirror learned of it, and its frame."""

    tombstone: MaskVersion
    frame: Frame

    @property
    def at(self) -> datetime:
        """When the mirror learned of the deletion."""
        return self.tombstone.recorded_at


@dataclass(frozen=True)
class MassDeletion:
    """So many of so many `labels` went within an hour from `since` on."""

    count: int
    labels: int
    since: datetime


def buried_labels(uow: UnitOfWork, project_id: int) -> list[BuriedLabel]:
    """Those of a project, first deleted first, but for those that were brought back, or whose reader has
    labelled the frame anew.
    """
    returns = list_returns(uow)
    stand_ins = frozenset(returns.values())
    gone = _gone(uow.masks.latest_of_all(project_id), returns)
    return _with_frames(uow, [each for each, others in gone if not _is_made_anew(each, others, stand_ins)])


def find_mass_deletion(
    latest: Sequence[MaskVersion], returns: Mapping[int, int], now: datetime
) -> MassDeletion | None:
    """The largest of the last days that is not made good yet; `latest` has the newest version of every
    annotation of a project, `returns` is what `loop.returns.list_returns` says.
    """
    stand_ins = frozenset(returns.values())
    moments = sorted(
        each.recorded_at
        for each, others in _gone(latest, returns)
        if each.recorded_at > now - TOLD_FOR and not _has_label_since(each, others, stand_ins)
    )
    living = sum(each.decision is not Decision.DELETED for each in latest)
    found: MassDeletion | None = None
    start = 0
    for end, moment in enumerate(moments):
        while moment - moments[start] > WINDOW:
            start += 1
        count = end + 1 - start
        if found is None or count > found.count:
            found = MassDeletion(count, living + len(moments), moments[start])
    is_many = found is not None and found.count >= FEWEST and found.count > SHARE * found.labels
    return found if is_many else None


def _gone(
    latest: Sequence[MaskVersion], returns: Mapping[int, int]
) -> list[tuple[MaskVersion, list[MaskVersion]]]:
    """Each tombstone that nothing was made in the place of, with the other annotations of its frame, first
    deleted first.
    """
    of_frame: defaultdict[int, list[MaskVersion]] = defaultdict(list)
    for version in latest:
        of_frame[version.frame_id].append(version)
    tombstones = [
        each for each in latest if each.decision is Decision.DELETED and each.annotation_id not in returns
    ]
    tombstones.sort(key=lambda each: (each.recorded_at, each.annotation_id))
    return [(each, [other for other in of_frame[each.frame_id] if other is not each]) for each in tombstones]


def _is_made_anew(tombstone: MaskVersion, others: Sequence[MaskVersion], stand_ins: Collection[int]) -> bool:
    """Also where that one was deleted in its turn: then it is the one to bring back.

    One that stands need only be later than what was deleted, for the mirror may have learned of both late; of
    two that are gone, the later one may have gone with the other. One of the `stand_ins` was not drawn when
    its date says, and perhaps not by its reader.
    """
    return any(
        other.reader_id == tombstone.reader_id
        and other.updated_at > (tombstone.recorded_at if _is_gone(other) else tombstone.updated_at)
        for other in others
        if other.annotation_id not in stand_ins
    )


def _is_gone(version: MaskVersion) -> bool:
    return version.decision is Decision.DELETED


def _has_label_since(
    tombstone: MaskVersion, others: Sequence[MaskVersion], stand_ins: Collection[int]
) -> bool:
    if _is_made_anew(tombstone, others, stand_ins):
        return True
    return any(other.decision.is_trainable and other.updated_at > tombstone.recorded_at for other in others)


def _with_frames(uow: UnitOfWork, tombstones: Sequence[MaskVersion]) -> list[BuriedLabel]:
    frames = uow.frames.get_many(sorted({each.frame_id for each in tombstones}))
    return [BuriedLabel(each, frames[each.frame_id]) for each in tombstones]
