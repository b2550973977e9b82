"""The `sonoloop` command: every sub-command parses, calls one function, and prints."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from adapters.logging import configure_logging
from cli.shell import RESUMES, guarded

app = typer.Typer(
    name="sonoloop",
    help="Active learning for vein segmentation in ultrasound.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

users = typer.Typer(help="Readers' accounts.", no_args_is_help=True)
app.add_typer(users, name="user")
models = typer.Typer(help="Trained models.", no_args_is_help=True)
app.add_typer(models, name="model")

Home = Annotated[
    Path | None, typer.Option("--home", help="Folder that holds all data.", show_default=".sonoloop")
]
ProjectId = Annotated[int, typer.Option("--project", help="Number of the project; 0: the newest.")]
LabelStudioPort = Annotated[
    int | None,
    typer.Option(
        "--label-studio-port", help="Kept in the home for later.", min=1, max=65535, show_default="8080"
    ),
]
BackendPort = Annotated[
    int | None,
    typer.Option("--backend-port", help="Kept in the home for later.", min=1, max=65535, show_default="9090"),
]

WHILE_STARTING = f"{RESUMES}; ./sonoloop down ends what runs"
WHILE_WAITING = "what was asked for goes on without this command; ./sonoloop status shows it"
WHILE_STOPPING = "some services may still run; the same command again ends them"


@app.command()
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
    recipe: Annotated[str, typer.Option(help="auto, fast, thorough, paper or retinal.")] = "auto",
    weights: Annotated[str, typer.Option(help="base, a .safetensors file, imagenet or scratch.")] = "base",
    label_studio_port: LabelStudioPort = None,
    backend_port: BackendPort = None,
    home: Home = None,
) -> None:
    """Run the whole loop with a simulated reader, then leave it running for you."""
    from cli.demo import DemoPlan, run_demo

    plan = DemoPlan(frames, truth, classes, size, rounds, labels, seed, recipe, weights)
    run_demo(plan, home, _ports(label_studio_port, backend_port))


@app.command()
@guarded(WHILE_STARTING)
def up(
    frames: Annotated[
        Path | None, typer.Option(help="Folder of frames; a sub-folder is a recording.")
    ] = None,
    classes: Annotated[
        str | None, typer.Option(help="Names, as in Vein,Artery.", show_default="Vein")
    ] = None,
    prior: Annotated[
        str | None, typer.Option(help="The class that the base weights draw.", show_default="the first")
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(help="base, a .safetensors file, imagenet or scratch.", show_default="base"),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(help="auto, fast, thorough, paper, retinal or a .json file.", show_default="auto"),
    ] = None,
    size: Annotated[
        int | None, typer.Option(help="Side that the network sees, px.", show_default="the recipe's own")
    ] = None,
    title: Annotated[
        str | None, typer.Option(help="Name of the project in Label Studio.", show_default="Sonoloop")
    ] = None,
    label_studio_port: LabelStudioPort = None,
    backend_port: BackendPort = None,
    home: Home = None,
) -> None:
    """Start everything; with --frames, make or fill the project."""
    from cli.work import WorkPlan, bring_up

    plan = WorkPlan(classes, prior, weights, recipe, size, title)
    bring_up(home, _ports(label_studio_port, backend_port), frames, plan)


@app.command()
@guarded()
def add(
    folder: Annotated[Path, typer.Argument(help="Folder of new frames.")],
    project: ProjectId = 0,
    home: Home = None,
) -> None:
    """Add frames: new ones are drawn and ranked into the queue."""
    from cli.work import add_folder

    add_folder(home, folder, project)


@app.command()
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


@app.command()
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


@app.command()
@guarded(WHILE_STOPPING)
def down(home: Home = None) -> None:
    """Stop everything; all data stay."""
    from cli.processes import take_down

    take_down(home)


@app.command(name="round")
@guarded(WHILE_WAITING)
def round_(
    wait: Annotated[bool, typer.Option("--wait", help="Show its progress until it ends.")] = False,
    project: ProjectId = 0,
    home: Home = None,
) -> None:
    """Start a training round now."""
    from cli.rounds import start_round

    start_round(home, project, wait)


@app.command()
@guarded(WHILE_WAITING)
def cancel(project: ProjectId = 0, home: Home = None) -> None:
    """Cancel the round in progress."""
    from cli.rounds import cancel_round

    cancel_round(home, project)


@app.command()
@guarded()
def promote(
    version: Annotated[str, typer.Argument(help="A model version, such as p1-v2.")],
    project: ProjectId = 0,
    home: Home = None,
) -> None:
    """Let a model version serve, whatever the gate said."""
    from cli.rounds import promote_version

    promote_version(home, project, version)


@app.command()
@guarded()
def rollback(project: ProjectId = 0, home: Home = None) -> None:
    """Let the model version that served before serve again."""
    from cli.rounds import roll_back

    roll_back(home, project)


@app.command()
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


@app.command()
@guarded()
def review(
    frames: Annotated[
        Path | None, typer.Option(help="Folder that was added: its files are told by name.")
    ] = None,
    project: ProjectId = 0,
    home: Home = None,
) -> None:
    """List frames that two readers skipped, labels that cannot be read, and other input set aside."""
    from cli.review import show_review

    show_review(home, project, frames)


@app.command()
@guarded()
def export(
    folder: Annotated[Path, typer.Argument(help="A new folder.")], project: ProjectId = 0, home: Home = None
) -> None:
    """Write the labelled dataset as COCO and PNG masks."""
    from cli.work import export_dataset

    export_dataset(home, folder, project)


@app.command()
@guarded()
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False, home: Home = None
) -> None:
    """Check every part of an installation, and say what to do; 1 where something fails."""
    from cli.doctor.show import show_examination

    sys.exit(show_examination(home, as_json))


@app.command()
@guarded("the file is there whole or not at all; the same command begins anew")
def backup(
    file: Annotated[Path, typer.Argument(help="A new file, as in backup.tar.")], home: Home = None
) -> None:
    """Write everything that cannot be made anew into one file, while all runs."""
    from cli.backup import back_up

    back_up(home, file)


@app.command()
@guarded("the home is there whole or not at all; the same command begins anew")
def restore(file: Annotated[Path, typer.Argument(help="What backup wrote.")], home: Home = None) -> None:
    """Make a home anew from a backup; one that is there is never replaced."""
    from cli.restore import restore

    restore(file, home)


@users.command(name="add")
@guarded("if the account was made, `user list` shows it")
def add_user(
    email: Annotated[str, typer.Argument(help="With which the reader will log in.")],
    password_from_stdin: Annotated[
        bool,
        typer.Option("--password-from-stdin", help="Its first line is the password."),
    ] = False,
    home: Home = None,
) -> None:
    """Make a reader's account, and print its password once."""
    from cli.users import add_user

    add_user(home, email, password_from_stdin)


@users.command(name="reset")
@guarded("the password may be the new one already; the same command draws another")
def reset_user(
    email: Annotated[str, typer.Argument(help="Of an account that `user list` shows.")],
    password_from_stdin: Annotated[
        bool,
        typer.Option("--password-from-stdin", help="Its first line is the password."),
    ] = False,
    home: Home = None,
) -> None:
    """Give an account a new password, print it once, and end its sessions."""
    from cli.users import reset_user

    reset_user(home, email, password_from_stdin)


@users.command(name="disable")
@guarded("the account may be disabled already, `user list` shows it")
def disable_user(
    email: Annotated[str, typer.Argument(help="Of an account that `user list` shows.")], home: Home = None
) -> None:
    """Let nobody in by an account any more, and end its sessions; its labels stay."""
    from cli.users import disable_user

    disable_user(home, email)


@users.command(name="list")
@guarded()
def list_users(home: Home = None) -> None:
    """List the accounts, and when each was last seen."""
    from cli.users import list_users

    list_users(home)


@app.command()
@guarded()
def secrets(
    file: Annotated[
        Path | None, typer.Argument(help="The env file.", show_default="deploy/sonoloop.env")
    ] = None,
) -> None:
    """Draw the secrets of a deployment into its env file; those that are there stay."""
    from cli.secrets import write_secrets

    write_secrets(file)


@app.command()
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


@app.command()
@guarded()
def compare(
    data: Annotated[
        Path, typer.Option(help="images/ and masks/ in a folder, frames/ and truth/, or an export.")
    ],
    networks: Annotated[str, typer.Option(help="Names, the first for reference.")],
    out: Annotated[Path, typer.Option(help="Folder for runs and report; what is unfinished waits there.")],
    classes: Annotated[
        str | None,
        typer.Option(help="Names, with the masks' pixel values: vessel=2.", show_default="vessel, or all"),
    ] = None,
    recipe: Annotated[str, typer.Option(help="fast, thorough or paper.")] = "paper",
    size: Annotated[int, typer.Option(min=0, help="Side of the frames, px; 0: the recipe's own.")] = 0,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each network.")] = 3,
    split_seed: Annotated[int, typer.Option(min=0, help="Which 40 % of the clips test.")] = 0,
    weights: Annotated[str, typer.Option(help="scratch or imagenet.")] = "scratch",
    threads: Annotated[int, typer.Option(min=0, help="Of the processor; 0: all.")] = 0,
) -> None:
    """Train several networks under one protocol and compare them in a table and pictures."""
    from cli.compare import CompareRequest, compare

    compare(CompareRequest(data, networks, out, classes, recipe, size, seeds, split_seed, weights, threads))


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
@guarded()
def test(
    context: typer.Context,
    full: Annotated[bool, typer.Option("--full", help="Also the long drills.")] = False,
) -> None:
    """Run every check and every test; further words go to pytest."""
    from cli.testing import run_tests

    sys.exit(run_tests(full, context.args))


@app.command(context_settings={"allow_interspersed_args": False, "allow_extra_args": True})
@guarded()
def bench(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Which one; none lists them.")] = "",
) -> None:
    """Measure speed, memory or load; further words go to the benchmark."""
    from cli.benching import run_benchmark

    sys.exit(run_benchmark(name, context.args))


def main() -> None:
    """Run the command; what its parts would log is said to the person instead, unless it is an error."""
    os.umask(0o077)  # frames, masks and exports of patients are for their owner alone
    configure_logging("error", "cli")
    app(prog_name="sonoloop")


def _ports(label_studio_port: int | None, backend_port: int | None) -> dict[str, int]:
    chosen = {"label_studio_port": label_studio_port, "backend_port": backend_port}
    return {name: number for name, number in chosen.items() if number is not None}
