"""The `sonoloop` command, put together from its words."""

from __future__ import annotations

import os

import typer

from adapters.logging import configure_logging
from cli.commands import contents, labels, rounds, services, users, without_home

app = typer.Typer(
    name="sonoloop",
    help="Active learning for vein segmentation in ultrasound.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for part in (services, rounds, contents, without_home):
    app.add_typer(part.commands)
app.add_typer(users.users, name="user")
app.add_typer(labels.labels, name="label")
app.add_typer(rounds.models, name="model")


def main() -> None:
    """Run the command; what its parts would log is said to the person instead, unless it is an error."""
    os.umask(0o077)  # frames, masks and exports of patients are for their owner alone
    configure_logging("error", "cli")
    app(prog_name="sonoloop")
