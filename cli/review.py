"""`sonoloop review`: what needs a person."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from adapters.formats.clips import pseudonym
from adapters.formats.frames import list_files
from adapters.settings import Settings
from cli.home import choose_project, open_home
from cli.markup import escape
from cli.shell import console, say
from loop.arms import ArmFigures, figures_by_arm
from loop.burials import buried_labels
from loop.messages import BAD_ANNOTATION
from loop.unreadable import TODO, unreadable_labels


def show_review(home: Path | None, project_id: int, folder: Path | None = None) -> None:
    """Print the tasks that two readers skipped, the labels that cannot be read, how many were deleted, every
    other input that was set aside, with its reason, and how each arm was read; files of the `folder` by their
    names, which are kept nowhere.

    Raises BadRequest for a folder that is none.
    """
    with open_home(home) as container, container.database.read() as uow:
        names = _names_in(folder, container.settings) if folder else {}
        project = choose_project(uow, project_id)
        frames, aside = uow.frames.for_review(project.id), uow.marks.list_set_aside()
        unreadable = unreadable_labels(uow, project.id)
        buried = len(buried_labels(uow, project.id))
        by_arm = figures_by_arm(uow.masks.current(project.id), uow.selections.arms(project.id))
    page = f"{container.settings.effective_public_url}/projects/{project.label_studio_id}/data/"
    say(console, f"frames skipped by two readers: {len(frames)}")
    for frame in frames:
        say(console, f"  {page}?task={frame.task_id}  frame {frame.digest[:12]}, {frame.clip}")
    say(console, f"labels that cannot be read: {len(unreadable)}" + (f"; {TODO}" if unreadable else ""))
    for label in unreadable:
        where = f"{page}?task={label.frame.task_id}  annotation {label.annotation_id}"
        say(console, f"  {where}: {escape(label.reason)}")
    if buried:
        say(console, f"labels deleted in Label Studio: {buried}; ./sonoloop label deleted lists them")
    told = {(BAD_ANNOTATION, str(label.annotation_id)) for label in unreadable}
    others = [item for item in aside if (item.kind, item.subject) not in told]
    say(console, f"other inputs set aside: {len(others)}")
    for item in others:
        of_file = names.get(item.subject, item.subject) if item.kind == "file" else ""
        say(console, f"  {escape(of_file) or f'{item.kind} {item.subject[:16]}'}: {escape(item.message)}")
    if any(item.kind == "file" and item.subject not in names for item in others):
        say(
            console,
            "  no name of a file is kept: ./sonoloop review --frames DIR tells those of a folder",
        )

    if by_arm:
        console.print("", arms_table(by_arm), sep="\n")


def arms_table(by_arm: Sequence[ArmFigures]) -> Table:
    """How the frames of each arm were read, a line each."""
    title = "what was read, by why it was asked for"
    table = Table(title=title, title_justify="left", box=None, padding=(0, 2))
    for heading in ("arm", "labels", "over a proposal", "accepted", "Dice of the proposal", "seconds"):
        table.add_column(heading, justify="left" if heading == "arm" else "right")
    for each in by_arm:
        share = f"{each.accepted / each.proposed:.0%}" if each.proposed else "–"
        dice = "–" if each.dice is None else f"{each.dice:.3f}"
        seconds = "–" if each.seconds is None else f"{each.seconds:.1f}"
        name = each.arm.value if each.arm else "none"
        table.add_row(name, str(each.labels), str(each.proposed), share, dice, seconds)
    table.caption = "Dice and seconds: the median; seconds of people alone"
    table.caption_justify = "left"
    return table


def _names_in(folder: Path, settings: Settings) -> dict[str, str]:
    """The files of a folder by the pseudonyms under which they were set aside."""
    salt = settings.salt.get_secret_value().encode()
    return {pseudonym(salt, "file", str(each)): str(each) for each in list_files(folder)}
