"""What needs no home: a deployment, base weights, comparisons, tests and measurements."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from cli.commands.options import Independent
from cli.shell import guarded

commands = typer.Typer()


@commands.command()
@guarded()
def secrets(
    file: Annotated[
        Path | None, typer.Argument(help="The env file.", show_default="deploy/sonoloop.env")
    ] = None,
) -> None:
    """Draw the secrets of a deployment into its env file; those that are there stay."""
    from cli.secrets import write_secrets

    write_secrets(file)


@commands.command()
@guarded()
def pretrain(
    out: Annotated[Path, typer.Option(help="Folder for weights and card; what is unfinished waits there.")],
    phantoms: Annotated[int, typer.Option(min=8, help="How many phantoms to learn from.")] = 1450,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over them.")] = 7,
    size: Annotated[int, typer.Option(min=64, help="Side of the frames, px; a multiple of 32.")] = 256,
    seed: Annotated[int, typer.Option(min=0, help="Seed of phantoms and training.")] = 0,
    check: Annotated[
        list[str] | None,
        typer.Option(help="Labelled frames for the card's figures: [NAME=]FOLDER=VALUE; may be repeated."),
    ] = None,
) -> None:
    """Make base weights from phantoms, the first model of a new project."""
    from cli.pretrain import make_base_weights

    make_base_weights(out, phantoms, epochs, size, seed, check or [])


@commands.command()
@guarded()
def compare(
    data: Annotated[
        Path, typer.Option(help="images/ and masks/ in a folder, frames/ and truth/, or an export.")
    ],
    networks: Annotated[str, typer.Option(help="Names, the first for reference.")],
    out: Annotated[
        Path, typer.Option(help="Folder for runs and report; what is unfinished waits there.")
    ] = Path("comparison"),
    classes: Annotated[
        str | None,
        typer.Option(help="Names, with the masks' pixel values: vessel=2.", show_default="vessel, or all"),
    ] = None,
    recipe: Annotated[str, typer.Option(help="a name, such as paper, or a .json file of yours.")] = "general",
    size: Annotated[int, typer.Option(min=0, help="Side of the frames, px; 0: the recipe's own.")] = 0,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each network.")] = 3,
    split_seed: Annotated[int, typer.Option(min=0, help="Which 40 % of the clips test.")] = 0,
    weights: Annotated[str, typer.Option(help="scratch or imagenet.")] = "scratch",
    threads: Annotated[int, typer.Option(min=0, help="Of the processor; 0: all.")] = 0,
    independent: Independent = False,
) -> None:
    """Train several networks under one protocol and compare them in a table and pictures."""
    from cli.compare import CompareRequest, compare

    chosen = classes, recipe, size, seeds, split_seed, weights, threads, independent
    compare(CompareRequest(data, networks, out, *chosen))


@commands.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
@guarded()
def test(
    context: typer.Context,
    full: Annotated[bool, typer.Option("--full", help="Also the long drills.")] = False,
) -> None:
    """Run the checks and the tests; further words go to pytest."""
    from cli.testing import run_tests

    sys.exit(run_tests(full, context.args))


@commands.command(context_settings={"allow_interspersed_args": False, "allow_extra_args": True})
@guarded()
def bench(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Which one; none lists them.")] = "",
) -> None:
    """Measure speed, memory or load; further words go to the benchmark."""
    from cli.benching import run_benchmark

    sys.exit(run_benchmark(name, context.args))
