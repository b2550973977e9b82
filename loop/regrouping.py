"""Giving known frames another clip and patient, as a folder tells them now, where no test is spoilt by it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from loop.records import Frame

Place = tuple[str, str | None]
"""Clip and patient."""


@dataclass(frozen=True)
class Claim:
    """What a folder tells of one of its frames, in pseudonyms.

    It stands against the stored clips in `replaces`, those that a weaker clue to the same file would have
    given; None: against any, as what a person wrote in a table does. `is_patient_told`: the table names the
    patient. `inner`: what the clip was called where a folder further in was added.
    """

    digest: str
    clip: str
    patient: str | None
    replaces: frozenset[str] | None = frozenset()
    is_patient_told: bool = False
    inner: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Regrouping:
    """New places by frame id, and which frames are (not) held out from now on; the rest stays as it is.

    `refused`: labelled frames that stay where they are, since they would teach and test at once. `differing`:
    frames that keep a clip or patient though they are told otherwise, by no better clue than the stored one,
    or by one that would part a clip between two patients.
    """

    places: Mapping[int, Place]
    held_out: Mapping[int, bool]
    refused: Collection[int]
    differing: Collection[int]


def plan_regrouping(
    frames: Sequence[Frame], claims: Iterable[Claim], labelled: Collection[int]
) -> Regrouping:
    """Decide what becomes of the stored `frames` of a project; of two claims to one frame the first counts.

    A labelled frame never changes between those that teach and those that test: what was exported or judged
    as a test would teach, or the reverse. So a group that gets frames is held out where labelled ones of it
    are, teaches where labelled ones of it do, and is otherwise held out only where all of it was: the choice
    by hash is then made anew. Without claims nothing changes.
    """
    told: dict[str, Claim] = {}
    for claim in claims:
        told.setdefault(claim.digest, claim)
    known = [(frame, told[frame.digest]) for frame in frames if frame.digest in told]
    wanted = {frame.id: _resolve(frame, claim) for frame, claim in known}
    places = {frame.id: wanted[frame.id] for frame, _ in known if wanted[frame.id] != _place(frame)}
    refused, parting = _refuse(frames, places, labelled), _keep_clips_whole(frames, places)
    while parting and (more := _refuse(frames, places, labelled) | _keep_clips_whole(frames, places)):
        parting |= more
    differing = {
        frame.id
        for frame, claim in known
        if frame.id not in refused and (frame.id in parting or _differs(claim, wanted[frame.id]))
    }
    return Regrouping(places, _sides(frames, places, labelled), refused, differing)


def find_joined(frames: Sequence[Frame], claims: Iterable[Claim]) -> set[str]:
    """The known recordings without a patient of which several would become one patient's, by nothing but the
    name of a folder around the one that they were added from; most often that is no patient's name.
    """
    known = {frame.digest: frame for frame in frames if frame.patient is None}
    joined: defaultdict[str, set[str]] = defaultdict(set)
    for claim in claims:
        frame = known.get(claim.digest)
        if frame and claim.patient and not claim.is_patient_told and frame.clip in claim.inner:
            joined[claim.patient].add(frame.clip)
    return {clip for clips in joined.values() if len(clips) > 1 for clip in clips}


def _resolve(frame: Frame, claim: Claim) -> Place:
    """What a frame's place is by a claim. A patient once known is not forgotten: that would part a group.

    Nor does one that only a folder tells replace it: seen from a folder further up it would be another.
    """
    patient = claim.patient if claim.is_patient_told else frame.patient or claim.patient
    is_contradicted = claim.patient not in (None, patient)
    is_better = not is_contradicted and frame.clip in {claim.clip, *(claim.replaces or ())}
    if claim.replaces is None or is_better:
        return claim.clip, patient
    return frame.clip, patient if claim.is_patient_told else frame.patient


def _differs(claim: Claim, place: Place) -> bool:
    clip, patient = place
    return claim.clip != clip or claim.patient not in (None, patient)


def _keep_clips_whole(frames: Sequence[Frame], places: dict[int, Place]) -> set[int]:
    """Take out of `places` what would part a clip between two groups, until nothing does; returns it.

    A clip shows one patient. Where two are told or known of it, one is wrong, and its frames would teach and
    test at once.
    """
    kept: set[int] = set()
    while True:
        groups: defaultdict[str, set[str]] = defaultdict(set)
        for frame in frames:
            groups[places.get(frame.id, _place(frame))[0]].add(_group(frame, places))
        parting = {frame_id for frame_id, (clip, _) in places.items() if len(groups[clip]) > 1}
        if not parting:
            return kept
        kept |= parting
        for frame_id in parting:
            del places[frame_id]


def _refuse(frames: Sequence[Frame], places: dict[int, Place], labelled: Collection[int]) -> set[int]:
    """Take out of `places` the labelled frames that would change sides, until none does; returns them.

    The side of a group is that of the labelled frames that were in it before; where there are none, those
    that teach are let in.
    """
    refused: set[int] = set()
    while True:
        changing: set[int] = set()
        for members in _reached(frames, places).values():
            sides = {frame.is_held_out for frame in members if frame.id in labelled}
            if len(sides) == 2:
                resident = {
                    frame.is_held_out
                    for frame in members
                    if frame.id in labelled and not _changes_group(frame, places)
                }
                side = resident == {True}
                changing |= {
                    frame.id
                    for frame in members
                    if _changes_group(frame, places)
                    and frame.id in labelled
                    and (frame.is_held_out != side or len(resident) == 2)
                }
        if not changing:
            return refused
        refused |= changing
        for frame_id in changing:
            del places[frame_id]


def _sides(
    frames: Sequence[Frame], places: Mapping[int, Place], labelled: Collection[int]
) -> dict[int, bool]:
    """Whether each frame of a group that gets frames is held out, where that differs from before."""
    held_out: dict[int, bool] = {}
    for members in _reached(frames, places).values():
        sides = {frame.is_held_out for frame in members if frame.id in labelled}
        if len(sides) < 2:
            is_out = sides == {True} or (not sides and all(frame.is_held_out for frame in members))
            held_out |= {frame.id: is_out for frame in members if frame.is_held_out != is_out}
    return held_out


def _reached(frames: Sequence[Frame], places: Mapping[int, Place]) -> dict[str, list[Frame]]:
    """The groups that frames move into, each with all its frames."""
    members: defaultdict[str, list[Frame]] = defaultdict(list)
    for frame in frames:
        members[_group(frame, places)].append(frame)
    reached = {_group(frame, places) for frame in frames if _changes_group(frame, places)}
    return {group: members[group] for group in sorted(reached)}


def _changes_group(frame: Frame, places: Mapping[int, Place]) -> bool:
    return _group(frame, places) != frame.group


def _group(frame: Frame, places: Mapping[int, Place]) -> str:
    clip, patient = places.get(frame.id, _place(frame))
    return patient or clip


def _place(frame: Frame) -> Place:
    return frame.clip, frame.patient
