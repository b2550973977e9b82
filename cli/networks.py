"""`networks` and `model export`: which networks there are, and a trained one as a file for other programs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill
from typing import Any

import typer

from cli.home import choose_project, open_home
from cli.markup import escape
from cli.shell import console, say
from loop.errors import BadRequest, NotFound
from trainer.exporting import KINDS, check_kind
from trainer.networks import NETWORKS
from trainer.networks.figures import SIDE, figures

WIDTH = 78
HEADS = ("network", "paper", "library", "Mparam", "GMAC", "exports")
NUMBERS = ("Mparam", "GMAC")
SHORT = {"segmentation-models-pytorch": "smp"}


@dataclass(frozen=True)
class Row:
    """One network as it is listed."""

    network: str
    paper: str
    library: str
    parameters: int
    gmac: float
    exports: tuple[str, ...]

    @property
    def cells(self) -> tuple[str, ...]:
        """The columns' texts, in the order of `HEADS`."""
        library = SHORT.get(self.library, self.library)
        numbers = f"{self.parameters / 1e6:.1f}", f"{self.gmac:.1f}"
        return (self.network, self.paper, library, *numbers, " ".join(self.exports))


def show_networks(as_json: bool) -> None:
    """Print the table, or the same as a JSON list."""
    if as_json:
        typer.echo(json.dumps([_as_dict(row) for row in rows()], indent=1))
    else:
        typer.echo(networks_table())


def networks_table() -> str:
    """Every network on a line of at most 80 characters, and what the columns mean."""
    table = [HEADS, *(row.cells for row in rows())]
    widths = [max(len(line[column]) for line in table) for column in range(len(HEADS))]
    return "\n".join([*(_line(cells, widths) for cells in table), "", *_notes()])


def rows() -> Iterator[Row]:
    """Give the networks in the order of the registry."""
    for name, entry in NETWORKS.items():
        known = figures(name)
        yield Row(name, entry.paper, entry.library, known.parameters, known.gmac, tuple(KINDS))


def export_model(home: Path | None, name: str, file: Path, project_id: int) -> None:
    """Write a model version as the kind of file that the suffix says. Raises BadRequest, NotFound."""
    from trainer.exporting import export

    kind = file.suffix.removeprefix(".")
    check_kind(kind)
    if not file.parent.is_dir():
        raise BadRequest("a file in a folder that is not there", "a folder that exists")
    with open_home(home) as container:
        with container.database.read() as uow:
            project = choose_project(uow, project_id)
            version = uow.models.find(project.id, name)
            known = ", ".join(each.name for each in uow.models.list(project.id)) or "none yet"
        if version is None:
            raise NotFound(
                f"the version {name!r}", f"one of: {known}", "name one of them", project=project.id
            )
        export(container.storage.local_path("models", version.digest), kind, file, version.digest)
    say(console, f"{escape(name)} is written to {escape(str(file))}; what goes in and out: docs/networks.md")


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    aligned = [
        cell.rjust(width) if head in NUMBERS else cell.ljust(width)
        for head, cell, width in zip(HEADS, cells, widths, strict=True)
    ]
    return " ".join(aligned).rstrip()


def _notes() -> Iterator[str]:
    for text in (
        f"GMAC: billions of multiply-adds for one frame of {SIDE}x{SIDE}x1; Mparam: millions of parameters "
        "with one class. Of a U-Net named after an encoder, the paper is the encoder's.",
        "smp: segmentation-models-pytorch. own: Sonoloop's code, on encoders of torchvision or smp.",
        "Names joined by + are an ensemble, the mean of their probabilities: resnet34-unet+deeplabv3plus",
    ):
        yield fill(text, WIDTH)


def _as_dict(row: Row) -> dict[str, Any]:
    return {
        "network": row.network,
        "paper": row.paper,
        "library": row.library,
        "parameters": row.parameters,
        "gmac_512": row.gmac,
        "exports": list(row.exports),
    }
