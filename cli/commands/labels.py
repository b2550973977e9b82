"""Labels that were deleted in Label Studio."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from cli.commands.options import Home, ProjectId
from cli.shell import guarded

labels = typer.Typer(help="Labels that were deleted in Label Studio.", no_args_is_help=True)

FORMATS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]


@labels.command(name="deleted")
@guarded()
def list_deleted(project: ProjectId = 0, home: Home = None) -> None:
    """List labels that were deleted in Label Studio, by day and reader."""
    from cli.labels import show_deleted

    show_deleted(home, project)


@labels.command(name="restore")
@guarded()
def restore_deleted(
    since: Annotated[
        datetime | None,
        typer.Option(help="Those deleted from then on, UTC.", formats=FORMATS, show_default="any time"),
    ] = None,
    task: Annotated[
        list[int] | None, typer.Option(help="Those of this task; may be repeated.", show_default="all")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    project: ProjectId = 0,
    home: Home = None,
) -> None:
    """Make deleted labels again in Label Studio, and their tasks where these are gone."""
    from cli.labels import restore_deleted

    restore_deleted(home, project, since, task or [], everything)
