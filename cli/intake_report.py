"""What is said of a folder that was taken in, or would be: counts, pseudonyms, and files set aside."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from adapters.formats.clips import ClipIndex
from adapters.formats.frames import RejectedFile
from adapters.formats.series import count_in_series
from cli.markup import escape
from cli.shell import console, say
from cli.wording import counted
from loop.records import NewFrame
from loop.regrouping import Claim
from loop.storing import Added

STORED_BEFORE = "what was stored before"
MOST_LINES = 20


@dataclass
class FolderRead:
    """What a folder held: usable frames with what it tells of them and the pseudonyms of their files, how
    each clip was recognised, what was refused, what those are called that are clips of their own, and those
    in no sub-folder whose clip an index.csv tells; and that table.
    """

    frames: list[NewFrame] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)
    source_of_clip: dict[str, str] = field(default_factory=dict)
    rejected: list[RejectedFile] = field(default_factory=list)
    usable: set[str] = field(default_factory=set)
    stem_of_lone_clip: dict[str, str] = field(default_factory=dict, repr=False)
    stems_beside: list[str] = field(default_factory=list, repr=False)
    index: ClipIndex = field(default_factory=lambda: ClipIndex({}), repr=False)

    def hear_index(self, index: ClipIndex) -> None:
        """Keep the table that the folder is read by."""
        self.index = index


def report(read: FolderRead, added: Added, is_independent: bool = False) -> None:
    """Say what was stored, counted in the database, then what asks for something to be done."""
    new = counted(added.new, "new frame")
    say(console, f"{new}, {added.known} known already; {_count_clips(read, added)}")
    if added.brought_back:
        one_each = "of the known ones had been deleted in Label Studio and are there again"
        say(console, f"  {added.brought_back} {one_each}: a folder that is added brings all its frames back")
    if added.moved:
        say(console, f"  {added.moved} of the known ones have another clip or patient now, as told here")
    _warn(read, added, is_independent)


def foretell(read: FolderRead, added: Added, is_independent: bool = False) -> None:
    """Say what `report` would, with each clip, where nothing was stored."""
    new = counted(added.new, "new frame")
    say(console, f"would be: {new}, {added.known} known; {_count_clips(read, added)}")
    for (clip, patient), frames in sorted(added.places.items(), key=lambda item: -item[1])[:MOST_LINES]:
        of_whom = patient or "no patient"
        say(console, f"  {clip}  {of_whom}  {counted(frames, 'frame')}")
    if len(added.places) > MOST_LINES:
        say(console, f"  and {counted(len(added.places) - MOST_LINES, 'clip')} more")
    if added.moved:
        say(console, f"  {added.moved} of the known ones would get another clip or patient")
    _warn(read, added, is_independent)
    say(console, "nothing was stored; the same without --dry-run does it")


def _count_clips(read: FolderRead, added: Added) -> str:
    sources = _sources(read.source_of_clip, added)
    how = ", ".join(f"{count} by {source}" for source, count in sources.items()) or "no frames"
    patients = len({patient for _, patient in added.places if patient is not None})
    of_whom = f" of {counted(patients, 'patient')}" if patients else ""
    return f"{counted(sources.total(), 'clip')}{of_whom} ({how})"


def _sources(source_of_clip: Mapping[str, str], added: Added) -> Counter[str]:
    """How many of the stored clips each clue has told; a clip that the folder does not tell was there."""
    clips = {clip for clip, _ in added.places}
    told = [source for clip, source in source_of_clip.items() if clip in clips]
    return Counter([*told, *[STORED_BEFORE] * (len(clips) - len(told))])


def _warn(read: FolderRead, added: Added, is_independent: bool) -> None:
    """Whatever asks for something to be done, stored or not."""
    _warn_of_places(added)
    _warn_of_strays(read.index)
    if not is_independent:
        _warn_of_series(read, added)
    _name_rejected(read.rejected)


def _warn_of_places(added: Added) -> None:
    if added.refused:
        got = f"{added.refused} labelled frames keep the clip and patient that they are stored with"
        say(console, f"  [yellow]{got}[/]: else they would teach the model and test it at once")
        say(console, "    for tests that can be trusted, begin anew with this folder in another --home")
    if added.differing:
        got = f"{added.differing} known frames keep a clip or patient that this folder tells otherwise"
        say(console, f"  [yellow]{got}[/], so new frames beside them may be parted from them")
        say(
            console,
            "    add the whole folder, as at first, or name each file's clip and patient in index.csv",
        )


def _warn_of_strays(index: ClipIndex) -> None:
    """Tell the line alone: a name may hold a patient's."""
    if index.stray_lines:
        count, first = len(index.stray_lines), index.stray_lines[0]
        rows = "1 row of index.csv names" if count == 1 else f"{count} rows of index.csv name"
        where = f"in line {first}" if count == 1 else f"the first in line {first}"
        say(console, f"  [yellow]{rows} no file here[/]: {where}")
        say(console, "    write each file as its path under this folder, or its name alone, and add it again")
        if index.is_beside:
            say(console, "    the table lies beside this folder: rows of other folders may stay as they are")


def _warn_of_series(read: FolderRead, added: Added) -> None:
    alone = read.stem_of_lone_clip
    stems = [alone[clip] for clip, _ in added.places if clip in alone]
    warn_of_series(count_in_series(stems, read.stems_beside), "./sonoloop add DIR again")


def warn_of_series(count: int, then: str) -> None:
    """Warn of so many frames that are named like a film's, with what to do `then`; none: say nothing."""
    if count:
        frames = "1 frame is named" if count == 1 else f"{count} frames are named"
        got = f"{frames} like those of a film, and each counts as a recording of its own"
        say(console, f"  [yellow]{got}[/]: neighbours of one film would teach the model and test it at once")
        say(console, f"    one folder per recording, or an index.csv, and {then}, keep them together")
        say(console, "    single pictures of different people: --independent-frames says so")


def _name_rejected(rejected: Sequence[RejectedFile]) -> None:
    for item in rejected:
        say(console, f"  [yellow]set aside[/] {escape(str(item.relative))}: {escape(item.error.message)}")
