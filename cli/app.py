"""The `sonoloop` command: every sub-command parses, calls one function, and prints."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from cli.shell import run_guarded

app = typer.Typer(
    name="sonoloop",
    help="Active learning for vein segmentation in ultrasound.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Home = Annotated[
    Path | None, typer.Option("--home", help="Folder that holds all data.", show_default=".sonoloop")
]
ProjectId = Annotated[int, typer.Option("--project", help="Number of the project; 0: the newest.")]
Frames = Annotated[Path, typer.Option("--frames", help="Folder of frames; a sub-folder is a recording.")]
Classes = Annotated[
    str, typer.Option("--classes", help="Names, as in Vein,Artery; with the truth's pixel values: vessel=2.")
]
Prior = Annotated[
    str, typer.Option("--prior", help="The class that the base weights propose; default: the first.")
]
Weights = Annotated[str, typer.Option("--weights", help="base, a .safetensors file, imagenet or scratch.")]
Size = Annotated[int, typer.Option("--size", help="Side that the network sees, px; 0: the recipe's own.")]
Recipe = Annotated[str, typer.Option("--recipe", help="auto, fast, thorough or paper.")]


@app.command()
def demo(
    frames: Annotated[Path | None, typer.Option(help="Frames of your own instead of phantoms.")] = None,
    truth: Annotated[Path | None, typer.Option(help="Their masks, of the same names.")] = None,
    classes: Classes = "vessel",
    size: Size = 0,
    rounds: Annotated[int, typer.Option(min=1, help="Training rounds.")] = 3,
    labels: Annotated[int, typer.Option(min=2, help="New labels that start a round.")] = 20,
    seed: Annotated[int, typer.Option(min=0, help="Seed of phantoms, splits, queue and training.")] = 0,
    recipe: Recipe = "auto",
    weights: Weights = "base",
    home: Home = None,
) -> None:
    """Run the whole loop with a simulated reader, then leave it running for you."""
    from cli.demo import DemoPlan, run_demo

    plan = DemoPlan(frames, truth, classes, size, rounds, labels, seed, recipe, weights)
    run_guarded(lambda: run_demo(plan, home))


@app.command()
def up(
    frames: Annotated[
        Path | None, typer.Option(help="Folder of frames; a sub-folder is a recording.")
    ] = None,
    classes: Classes = "Vein",
    prior: Prior = "",
    weights: Weights = "base",
    recipe: Recipe = "auto",
    size: Size = 0,
    title: Annotated[str, typer.Option(help="Name of the project in Label Studio.")] = "Sonoloop",
    home: Home = None,
) -> None:
    """Start everything; with --frames, make or fill the project."""
    from cli.work import bring_up

    run_guarded(lambda: bring_up(home, frames, classes, prior, weights, recipe, size, title))


@app.command()
def add(
    folder: Annotated[Path, typer.Argument(help="Folder of new frames.")],
    project: ProjectId = 0,
    home: Home = None,
) -> None:
    """Add frames: new ones are drawn and ranked into the queue."""
    from cli.work import add_folder

    run_guarded(lambda: add_folder(home, folder, project))


@app.command()
def status(
    watch: Annotated[
        bool, typer.Option("--watch", help="Look again every two seconds until Ctrl-C.")
    ] = False,
    home: Home = None,
) -> None:
    """Show services, labels, the round in progress and the last verdicts."""
    from cli.status import show_status

    run_guarded(lambda: show_status(home, watch))


@app.command()
def logs(
    service: Annotated[str, typer.Argument(help="One service; all by default.")] = "",
    lines: Annotated[int, typer.Option("-n", "--lines", min=1, help="How many of the last lines.")] = 40,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on printing until Ctrl-C.")] = False,
    home: Home = None,
) -> None:
    """Print the last lines of the services' logs."""
    from cli.service_logs import show_logs

    run_guarded(lambda: show_logs(home, service, lines, follow))


@app.command()
def down(home: Home = None) -> None:
    """Stop everything; all data stay."""
    from cli.work import take_down

    run_guarded(lambda: take_down(home))


@app.command(name="round")
def round_(
    wait: Annotated[bool, typer.Option("--wait", help="Show its progress until it ends.")] = False,
    project: ProjectId = 0,
    home: Home = None,
) -> None:
    """Start a training round now."""
    from cli.rounds import start_round

    run_guarded(lambda: start_round(home, project, wait))


@app.command()
def cancel(project: ProjectId = 0, home: Home = None) -> None:
    """Cancel the round in progress."""
    from cli.rounds import cancel_round

    run_guarded(lambda: cancel_round(home, project))


@app.command()
def promote(
    version: Annotated[str, typer.Argument(help="A model version, such as p1-v2.")],
    project: ProjectId = 0,
    home: Home = None,
) -> None:
    """Let a model version serve, whatever the gate said."""
    from cli.rounds import promote_version

    run_guarded(lambda: promote_version(home, project, version))


@app.command()
def rollback(project: ProjectId = 0, home: Home = None) -> None:
    """Let the model version that served before serve again."""
    from cli.rounds import roll_back

    run_guarded(lambda: roll_back(home, project))


@app.command()
def review(project: ProjectId = 0, home: Home = None) -> None:
    """List what needs a person: frames skipped by two readers, and input that was set aside."""
    from cli.status import show_review

    run_guarded(lambda: show_review(home, project))


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(help="A new folder.")], project: ProjectId = 0, home: Home = None
) -> None:
    """Write the labelled dataset as COCO and PNG masks."""
    from cli.work import export_dataset

    run_guarded(lambda: export_dataset(home, folder, project))


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def test(
    context: typer.Context,
    full: Annotated[bool, typer.Option("--full", help="Also the long drills.")] = False,
) -> None:
    """Run every check and every test; further words go to pytest."""
    from cli.testing import run_tests

    sys.exit(run_tests(full, context.args))


def main() -> None:
    """Run the command."""
    app()
