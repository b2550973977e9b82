"""The labelled frames of a comparison: read, and said of them what a person must know."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from rich.progress import BarColumn, MofNCompleteColumn, TextColumn

from adapters.formats.clips import ClipSource
from adapters.formats.labelled import LabelledFolder, LabelledFrame, LeftOut
from adapters.formats.series import count_in_series
from cli.intake_report import warn_of_series
from cli.markup import escape
from cli.shell import console, progress, say
from cli.wording import counted
from loop.errors import BadMask, BadRequest
from loop.masks import exclusive
from trainer.comparison.material import Labelled, survey
from trainer.comparison.protocol import Protocol, check_protocol

SHOWN_LEFT_OUT = 5


@dataclass
class DataRead:
    """What reading a folder told beside the frames: files left out, pixels that belong to several classes of
    each frame with such, and the file names of frames whose recording nothing tells, by clip, and of those
    beside them that an index.csv tells.
    """

    left_out: list[LeftOut] = field(default_factory=list)
    overlaps: list[int] = field(default_factory=list)
    stem_of_lone_clip: dict[str, str] = field(default_factory=dict, repr=False)
    stems_beside: list[str] = field(default_factory=list, repr=False)

    def hear(self, item: LabelledFrame) -> None:
        """Keep what a frame's name tells."""
        path = item.file.relative
        if item.is_alone:
            self.stem_of_lone_clip.setdefault(item.file.clip, path.stem)
        elif item.file.identity.source is ClipSource.INDEX and len(path.parts) == 1:
            self.stems_beside.append(path.stem)

    def count_in_series(self) -> int:
        """How many frames are named like a film's, though each is a recording of its own."""
        return count_in_series(self.stem_of_lone_clip.values(), self.stems_beside)


def take_frames(source: LabelledFolder, protocol: Protocol, is_independent: bool) -> tuple[Protocol, int]:
    """Read everything once, say what a person must know of it, and give the protocol with its frames, and how
    many of these are named like a film's (none, where they are said to be independent).

    Raises BadRequest where they are too few to compare anything, or most of the masks cannot be read.
    """
    read = DataRead()
    frames, again = survey(readable(source, read))
    in_series = 0 if is_independent else read.count_in_series()
    _say(source, read, again)
    protocol = replace(protocol, frames=frames)
    try:
        if not frames:
            raise BadRequest("no frame with a usable mask", "frames with masks", "check --data")
        check_protocol(protocol)
        _check_share(len(frames), read.left_out)
    except BadRequest as exc:
        if not read.left_out:
            raise
        raise _with_left_out(exc, read.left_out) from exc
    warn_of_series(in_series, "another --out")
    return protocol, in_series


def _check_share(frames: int, left_out: Sequence[LeftOut]) -> None:
    """A frame without a mask was not labelled yet; masks that cannot be read are mostly a slip in --classes,
    and then a comparison may run for hours on another class than is meant.
    """
    unreadable = sum(isinstance(each.error, BadMask) for each in left_out)
    if unreadable > frames:
        got = f"{counted(frames, 'frame')} of {frames + unreadable} with a mask that can be read"
        raise BadRequest(got, "more than half of them", "take the others out of the folder")


def _say(source: LabelledFolder, read: DataRead, again: int) -> None:
    for each in read.left_out[:SHOWN_LEFT_OUT]:
        say(console, f"[yellow]left out[/] {escape(str(each.relative))}: {escape(each.error.message)}")
    if len(read.left_out) > SHOWN_LEFT_OUT:
        say(console, f"[yellow]left out[/] {counted(len(read.left_out) - SHOWN_LEFT_OUT, 'more file')}")
    if read.overlaps:
        pixels = f"{sum(read.overlaps)} px of {counted(len(read.overlaps), 'frame')}"
        first = f"there the first of {escape(', '.join(source.classes))} counts"
        say(console, f"[yellow]{pixels} belong to several classes:[/] {first}")
    if again:
        say(console, f"{counted(again, 'frame')} came again; of equal pictures the first counts")


def _with_left_out(error: BadRequest, left_out: Sequence[LeftOut]) -> BadRequest:
    """The same error, with how many files were left out, and before its own cure that of most of them, of
    several the first: where most of the frames are missing, what is left tells little of what is wrong.
    """
    [(todo, _)] = Counter(each.error.todo for each in left_out).most_common(1)
    first = next(each.error for each in left_out if each.error.todo == todo)
    got = f"{error.got}, after {counted(len(left_out), 'file')} had been left out ({first.got})"
    return BadRequest(got, error.need, f"{todo}; else {error.todo}")


def readable(source: LabelledFolder, read: DataRead) -> Iterator[Labelled]:
    """The frames with at most one class a pixel, for more no network here can answer; all else that is told
    of them is put into `read`.
    """
    with progress(TextColumn("reading frames"), BarColumn(), MofNCompleteColumn()) as bars:
        task = bars.add_task("", total=None)
        for item in source.read(lambda done, total: bars.update(task, completed=done, total=total)):
            if isinstance(item, LabelledFrame):
                mask, several = exclusive(item.mask)
                read.overlaps += [several] if several else []
                read.hear(item)
                yield Labelled(item.file.digest, item.file.png, mask, item.group)
            else:
                read.left_out.append(item)
