"""What the database does when frames come: new ones are stored, known ones get the place that is told of them
now, and groups are held out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from loop.errors import BadRequest
from loop.messages import DELETED_TASK
from loop.ports import UnitOfWork
from loop.records import Frame, NewFrame
from loop.regrouping import Claim, Place, find_joined, plan_regrouping
from loop.splits import choose_held_out


@dataclass(frozen=True)
class SplitRule:
    """Which share of the groups is held out for the gate, and the seed of that choice."""

    held_out_fraction: float = 0.20
    seed: int = 0


@dataclass(frozen=True)
class Added:
    """How many frames were new, how many known already, how many tasks Label Studio got, and how many of
    these are for frames whose task had been deleted there.

    Of the known ones, `moved` have another clip or patient now; `refused` and `differing` kept theirs (see
    `regrouping.Regrouping`). `places`: frames by clip and patient, as the database has those that were given.
    """

    new: int
    known: int
    tasks: int
    brought_back: int
    moved: int = 0
    refused: int = 0
    differing: int = 0
    places: Mapping[Place, int] = field(default_factory=dict)


def store_frames(
    uow: UnitOfWork,
    rule: SplitRule,
    project_id: int,
    frames: Sequence[NewFrame],
    now: datetime,
    claims: Sequence[Claim] = (),
) -> Added:
    """Store frames whose digest is new, give known ones the place that `claims` tell where that spoils no
    test, and pin what is held out. The caller commits; one who does not has looked ahead.

    Raises BadRequest where the name of a folder alone would make several known recordings one patient's.
    """
    known = uow.frames.list(project_id)
    if joined := find_joined(known, claims):
        raise BadRequest(
            f"a folder whose sub-folder's name would make {len(joined)} known recordings one patient's",
            "each folder as it was added at first, or an index.csv that names the patients",
            "add the folders within it one by one, or write the index.csv; nothing was added",
        )
    regrouping = plan_regrouping(known, claims, uow.masks.ever_trainable(project_id))
    uow.frames.regroup(regrouping.places)
    uow.frames.set_held_out(regrouping.held_out)
    there, given = {frame.digest for frame in known}, {frame.digest for frame in frames}
    unseen = [frame for frame in frames if frame.digest not in there]
    held_out = held_out_groups(uow, project_id, unseen, rule)
    pinned = [
        replace(frame, is_held_out=frame.is_held_out or group_of(frame) in held_out) for frame in unseen
    ]
    new = uow.frames.add(project_id, pinned, now)
    stored = uow.frames.list(project_id)
    late = [frame.id for frame in stored if frame.group in held_out and not frame.is_held_out]
    uow.frames.set_held_out(dict.fromkeys(late, True))
    return Added(
        new=len(new),
        known=len(frames) - len(new),
        tasks=0,
        brought_back=len(wanting_tasks(uow, project_id, given)) - len(wanting_tasks(uow, project_id, ())),
        moved=len(regrouping.places),
        refused=len(regrouping.refused),
        differing=len(regrouping.differing),
        places=Counter((frame.clip, frame.patient) for frame in stored if frame.digest in given),
    )


def held_out_groups(
    uow: UnitOfWork, project_id: int, arriving: Sequence[NewFrame], rule: SplitRule
) -> set[str]:
    """The groups to hold out once these frames have come; one that was ever labelled is not held out anew.

    A label that was deleted or skipped since bars its group too: a model may have learnt from it, and it may
    be restored.
    """
    known = uow.frames.list(project_id)
    pinned = {frame.group for frame in known if frame.is_held_out}
    pinned |= {group_of(frame) for frame in arriving if frame.is_held_out}
    taught = uow.masks.ever_trainable(project_id)
    groups = {frame.group for frame in known} | {group_of(frame) for frame in arriving}
    barred = {frame.group for frame in known if frame.id in taught}
    return choose_held_out(groups, pinned, rule.held_out_fraction, rule.seed, barred)


def group_of(frame: NewFrame) -> str:
    """What a split must keep together: the patient where known, else the clip."""
    return frame.patient or frame.clip


def wanting_tasks(uow: UnitOfWork, project_id: int, again: Collection[str]) -> list[Frame]:
    """Frames without a task that are to get one; of those deleted in Label Studio, the ones in `again`."""
    deleted = {entry.subject for entry in uow.marks.list_set_aside() if entry.kind == DELETED_TASK}
    stay_out = deleted - set(again)
    return [frame for frame in uow.frames.without_task(project_id) if frame.digest not in stay_out]
