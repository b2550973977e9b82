"""Training rounds, and the models that come of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.commands.options import Home, ProjectId
from cli.shell import guarded

commands = typer.Typer()
models = typer.Typer(help="Trained models.", no_args_is_help=True)

WHILE_WAITING = "what was asked for goes on without this command; ./sonoloop status shows it"


@commands.command(name="round")
@guarded(WHILE_WAITING)
def round_(
    wait: Annotated[bool, typer.Option("--wait", help="Show its progress until it ends.")] = False,
    project: ProjectId = 0,
    home: Home = None,
) -> None:
    """Start a training round now."""
    from cli.rounds import start_round

    start_round(home, project, wait)


@commands.command()
@guarded(WHILE_WAITING)
def cancel(project: ProjectId = 0, home: Home = None) -> None:
    """Cancel the round in progress."""
    from cli.rounds import cancel_round

    cancel_round(home, project)


@commands.command()
@guarded()
def promote(
    version: Annotated[str, typer.Argument(help="A model version, such as p1-v2.")],
    project: ProjectId = 0,
    home: Home = None,
) -> None:
    """Let a model version serve, whatever the gate said."""
    from cli.rounds import promote_version

    promote_version(home, project, version)


@commands.command()
@guarded()
def rollback(project: ProjectId = 0, home: Home = None) -> None:
    """Let the model version that served before serve again."""
    from cli.rounds import roll_back

    roll_back(home, project)


@commands.command()
@guarded()
def networks(
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """List the networks that a recipe may name, with their size and work."""
    from cli.networks import show_networks

    show_networks(as_json)


@models.command(name="export")
@guarded("the file is there whole or not at all")
def export_model(
    version: Annotated[str, typer.Argument(help="A model version, such as p1-v2.")],
    file: Annotated[Path, typer.Argument(help="A new file, as in vein.onnx or vein.pt2.")],
    project: ProjectId = 0,
    home: Home = None,
) -> None:
    """Write a model for other programs: ONNX, or torch's ExportedProgram."""
    from cli.networks import export_model

    export_model(home, version, file, project)
