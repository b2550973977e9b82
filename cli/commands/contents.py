"""What a home holds: looked through, taken out, kept and brought back."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from cli.commands.options import Home, ProjectId
from cli.shell import guarded

commands = typer.Typer()


@commands.command()
@guarded()
def review(
    frames: Annotated[
        Path | None, typer.Option(help="Folder that was added: its files are told by name.")
    ] = None,
    project: ProjectId = 0,
    home: Home = None,
) -> None:
    """List frames skipped twice, unreadable labels, other input set aside, and how each arm was read."""
    from cli.review import show_review

    show_review(home, project, frames)


@commands.command()
@guarded()
def export(
    folder: Annotated[Path, typer.Argument(help="A new folder.")], project: ProjectId = 0, home: Home = None
) -> None:
    """Write the labelled dataset as COCO and PNG masks."""
    from cli.work import export_dataset

    export_dataset(home, folder, project)


@commands.command()
@guarded()
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False, home: Home = None
) -> None:
    """Check every part of an installation, and say what to do; 1 where something fails."""
    from cli.doctor.show import show_examination

    sys.exit(show_examination(home, as_json))


@commands.command()
@guarded("the file is there whole or not at all; the same command begins anew")
def backup(
    file: Annotated[Path, typer.Argument(help="A new file, as in backup.tar.")], home: Home = None
) -> None:
    """Write everything that cannot be made anew into one file, while all runs."""
    from cli.backup import back_up

    back_up(home, file)


@commands.command()
@guarded("the home is there whole or not at all; the same command begins anew")
def restore(file: Annotated[Path, typer.Argument(help="What backup wrote.")], home: Home = None) -> None:
    """Make a home anew from a backup; one that is there is never replaced."""
    from cli.restore import restore

    restore(file, home)
