"""The labelled frames of a comparison: read, and said of them what a person must know."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from rich.progress import BarColumn, MofNCompleteColumn, TextColumn

from adapters.formats.labelled import LabelledFolder, LabelledFrame, LeftOut
from cli.markup import escape
from cli.shell import console, progress, say
from cli.wording import counted
from loop.errors import BadRequest
from loop.masks import exclusive
from trainer.comparison.material import Labelled, survey
from trainer.comparison.protocol import Protocol, check_protocol

SHOWN_LEFT_OUT = 5


def take_frames(source: LabelledFolder, protocol: Protocol) -> Protocol:
    """Read everything once, say what cannot be used, and give the protocol with its frames.

    Raises BadRequest where these are too few to compare anything.
    """
    left_out, overlaps = list[LeftOut](), list[int]()
    frames, again = survey(readable(source, left_out, overlaps))
    _say(source, left_out, overlaps, again)
    protocol = replace(protocol, frames=frames)
    try:
        if not frames:
            raise BadRequest("no frame with a usable mask", "frames with masks", "check --data")
        check_protocol(protocol)
    except BadRequest as exc:
        if not left_out:
            raise
        raise _with_left_out(exc, left_out) from exc
    return protocol


def _say(source: LabelledFolder, left_out: Sequence[LeftOut], overlaps: Sequence[int], again: int) -> None:
    for each in left_out[:SHOWN_LEFT_OUT]:
        say(console, f"[yellow]left out[/] {escape(str(each.relative))}: {escape(each.error.message)}")
    if len(left_out) > SHOWN_LEFT_OUT:
        say(console, f"[yellow]left out[/] {counted(len(left_out) - SHOWN_LEFT_OUT, 'more file')}")
    if overlaps:
        pixels = f"{sum(overlaps)} px of {counted(len(overlaps), 'frame')} belong to several classes:"
        say(console, f"[yellow]{pixels}[/] there the first of {escape(', '.join(source.classes))} counts")
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


def readable(source: LabelledFolder, left_out: list[LeftOut], overlaps: list[int]) -> Iterator[Labelled]:
    """The frames with at most one class a pixel, for more no network here can answer; those left out, and the
    pixels of each frame where classes overlap, are put into the lists.
    """
    with progress(TextColumn("reading frames"), BarColumn(), MofNCompleteColumn()) as bars:
        task = bars.add_task("", total=None)
        for item in source.read(lambda done, total: bars.update(task, completed=done, total=total)):
            if isinstance(item, LabelledFrame):
                mask, several = exclusive(item.mask)
                overlaps += [several] if several else []
                yield Labelled(item.file.digest, item.file.png, mask, item.group)
            else:
                left_out.append(item)
