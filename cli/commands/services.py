"""Starting, feeding, watching and stopping a home."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from cli.commands.options import (
    BackendPort,
    DryRun,
    Home,
    Independent,
    LabelStudioPort,
    ProjectId,
    chosen_ports,
)
from cli.shell import RESUMES, guarded
from loop.errors import BadRequest

commands = typer.Typer()

WHILE_STARTING = f"{RESUMES}; ./sonoloop down ends what runs"
WHILE_STOPPING = "some services may still run; the same command again ends them"


@commands.command()
@guarded(WHILE_STARTING)
def demo(
    frames: Annotated[Path | None, typer.Option(help="Frames of your own instead of phantoms.")] = None,
    truth: Annotated[Path | None, typer.Option(help="Their masks, of the same names.")] = None,
    classes: Annotated[
        str, typer.Option(help="Names, with the truth's pixel values where it has others: vessel=2.")
    ] = "vessel",
    size: Annotated[int, typer.Option(help="Side that the network sees, px; 0: the recipe's own.")] = 0,
    rounds: Annotated[int, typer.Option(min=1, help="Training rounds.")] = 3,
    labels: Annotated[int, typer.Option(min=2, help="New labels that start a round.")] = 20,
    seed: Annotated[int, typer.Option(min=0, help="Seed of phantoms, splits, queue and training.")] = 0,
    recipe: Annotated[
        str, typer.Option(help="auto, fast, thorough, general, paper, retinal or a .json file.")
    ] = "fast",
    weights: Annotated[str, typer.Option(help="base, a .safetensors file, imagenet or scratch.")] = "base",
    label_studio_port: LabelStudioPort = None,
    backend_port: BackendPort = None,
    home: Home = None,
) -> None:
    """Run the whole loop with a simulated reader, then leave it running for you."""
    from cli.demo import DemoPlan, run_demo

    plan = DemoPlan(frames, truth, classes, size, rounds, labels, seed, recipe, weights)
    run_demo(plan, home, chosen_ports(label_studio_port, backend_port))


@commands.command()
@guarded(WHILE_STARTING)
def up(
    frames: Annotated[
        Path | None, typer.Option(help="Folder of frames; a sub-folder is a recording.")
    ] = None,
    classes: Annotated[
        str | None, typer.Option(help="Names, as in Vein,Artery.", show_default="Vein")
    ] = None,
    prior: Annotated[
        str | None, typer.Option(help="The class that the base weights draw.", show_default="its namesake")
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(help="base, a .safetensors file, imagenet or scratch.", show_default="base"),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            help="auto, fast, thorough, general, paper, retinal or a .json file.", show_default="auto"
        ),
    ] = None,
    size: Annotated[
        int | None, typer.Option(help="Side that the network sees, px.", show_default="the recipe's own")
    ] = None,
    title: Annotated[
        str | None, typer.Option(help="Name of the project in Label Studio.", show_default="Sonoloop")
    ] = None,
    independent: Independent = False,
    dry_run: DryRun = False,
    show_login: Annotated[
        bool,
        typer.Option("--show-login", help="Print password and invitation, as the first start does."),
    ] = False,
    label_studio_port: LabelStudioPort = None,
    backend_port: BackendPort = None,
    home: Home = None,
) -> None:
    """Start everything; with --frames, make or fill the project."""
    from cli.work import WorkPlan, bring_up, foresee_up

    plan = WorkPlan(classes, prior, weights, recipe, size, title)
    if dry_run:
        if frames is None:
            raise BadRequest("--dry-run without frames", "--frames DIR", "name the folder to look at")
        foresee_up(home, frames, plan, independent)
        return
    bring_up(home, chosen_ports(label_studio_port, backend_port), frames, plan, independent, show_login)


@commands.command()
@guarded()
def add(
    folder: Annotated[Path, typer.Argument(help="Folder of new frames.")],
    project: ProjectId = 0,
    independent: Independent = False,
    dry_run: DryRun = False,
    home: Home = None,
) -> None:
    """Add frames: new ones are drawn and ranked into the queue."""
    from cli.work import add_folder, foresee_added

    if dry_run:
        foresee_added(home, folder, project, independent)
        return
    add_folder(home, folder, project, independent)


@commands.command()
@guarded()
def status(
    watch: Annotated[
        bool, typer.Option("--watch", help="Look again every two seconds until Ctrl-C.")
    ] = False,
    home: Home = None,
) -> None:
    """Show services, labels, the round in progress and the last verdicts."""
    from cli.status import show_status

    sys.exit(show_status(home, watch))


@commands.command()
@guarded()
def logs(
    service: Annotated[str, typer.Argument(help="One service; all by default.")] = "",
    lines: Annotated[int, typer.Option("-n", "--lines", min=1, help="How many of the last lines.")] = 40,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on printing until Ctrl-C.")] = False,
    home: Home = None,
) -> None:
    """Print the last lines of the services' logs."""
    from cli.processes import show_logs

    show_logs(home, service, lines, follow)


@commands.command()
@guarded(WHILE_STOPPING)
def down(home: Home = None) -> None:
    """Stop everything; all data stay."""
    from cli.processes import take_down

    take_down(home)
