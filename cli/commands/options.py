"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Home = Annotated[
    Path | None, typer.Option("--home", help="Folder that holds all data.", show_default=".sonoloop")
]
ProjectId = Annotated[int, typer.Option("--project", help="Number of the project; 0: the newest.")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Say what the frames would become, and store nothing.")
]
Independent = Annotated[
    bool,
    typer.Option("--independent-frames", help="Numbered files in one folder are no film: no warning."),
]
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


def chosen_ports(label_studio_port: int | None, backend_port: int | None) -> dict[str, int]:
    """Those that a person named, by their setting."""
    chosen = {"label_studio_port": label_studio_port, "backend_port": backend_port}
    return {name: number for name, number in chosen.items() if number is not None}
