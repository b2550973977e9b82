"""`sonoloop pretrain`: base weights from phantoms alone, with the card that says what they are worth."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

from adapters.cores import usable_cores
from cli.markup import escape
from cli.shell import console, progress, say
from loop.errors import BadRequest
from trainer.precision import find_device, resolve_precision
from trainer.pretraining import PretrainingConfig, pretrain
from trainer.pretraining import Progress as Report
from trainer.pretraining.card import write_card
from trainer.pretraining.score import LabelledFolder, Score, score
from trainer.weights import load_weights, read_weights

WEIGHTS, CARD, UNFINISHED, CHOICES = "base-v0.safetensors", "base-v0.md", "unfinished", "choices.json"
MULTIPLE = 32


@dataclass(frozen=True)
class CheckSet:
    """Labelled frames that nothing is learned from, under the name that the card gives them."""

    name: str
    folder: LabelledFolder


def make_base_weights(
    out: Path, phantoms: int, epochs: int, size: int, seed: int, checks: Sequence[str]
) -> None:
    """Draw, train, measure, and leave weights and card in `out`; begun again it goes on where it was.

    Raises BadRequest for an impossible size, a check set that is none, a folder that holds weights already,
    or an unfinished run with other choices.
    """
    choices = {"phantoms": phantoms, "epochs": epochs, "size": size, "seed": seed}
    check_sets = [parse_check(text) for text in checks]
    if size % MULTIPLE:
        raise BadRequest(f"a size of {size} px", f"a multiple of {MULTIPLE}", "mend --size")
    folder = _open_folder(out, choices)
    weights = _train(folder, _config(**choices))
    digest, scores = _measure(weights, check_sets)
    command = " ".join(["./sonoloop pretrain", *(f"--{name} {value}" for name, value in choices.items())])
    card = write_card(_config(**choices), f"{command} --out DIR", digest, scores)
    (out / CARD).write_text(card, encoding="utf-8")
    weights.replace(out / WEIGHTS)
    shutil.rmtree(folder)
    say(console, f"weights  {escape(str(out / WEIGHTS))}  ({digest[:12]})")
    say(console, f"card     {escape(str(out / CARD))}")


def parse_check(text: str) -> CheckSet:
    """Read `[NAME=]FOLDER=VALUE`: images/ and masks/ of the same names, a vessel where the mask is VALUE.

    Raises BadRequest.
    """
    rest, _, value = text.rpartition("=")
    name, _, place = rest.rpartition("=")
    images, masks = Path(place, "images"), Path(place, "masks")
    if not value.isdigit() or not images.is_dir() or not masks.is_dir():
        raise BadRequest(
            f"the check set {text!r}",
            "[NAME=]FOLDER=VALUE, the folder with images/ and masks/ in it",
            "mend --check",
        )
    return CheckSet(name or Path(place).name, LabelledFolder(images, masks, int(value)))


def _open_folder(out: Path, choices: dict[str, int]) -> Path:
    """The folder of the unfinished run, with a note of its choices."""
    if (out / WEIGHTS).exists():
        raise BadRequest(f"{out}, which holds base weights", "a folder without", "choose another --out")
    folder = out / UNFINISHED
    note = folder / CHOICES
    if note.exists() and json.loads(note.read_text(encoding="utf-8")) != choices:
        raise BadRequest(
            "an unfinished run with other choices", "the same ones", f"see {note}, or choose another --out"
        )
    folder.mkdir(parents=True, exist_ok=True)
    note.write_text(json.dumps(choices), encoding="utf-8")
    return folder


def _config(phantoms: int, epochs: int, size: int, seed: int) -> PretrainingConfig:
    cores = usable_cores()
    standard = PretrainingConfig()
    early = size * standard.early_size // standard.size // MULTIPLE * MULTIPLE
    return PretrainingConfig(
        n_frames=phantoms,
        epochs=epochs,
        seed=seed,
        size=size,
        early_size=max(MULTIPLE, early),
        early_epochs=epochs * standard.early_epochs // standard.epochs,
        workers=cores,
        threads=cores,
        has_bf16=resolve_precision("auto", find_device()) == "bfloat16",
    )


def _train(folder: Path, config: PretrainingConfig) -> Path:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[loss]}"),
    )
    with progress(*columns) as bars:
        tasks = {
            stage: bars.add_task(stage, total=None, loss="", visible=False)
            for stage in ("phantoms", "training")
        }

        def show(report: Report) -> None:
            loss = "" if report.loss is None else f"loss {report.loss:.3f}"
            task = tasks[report.stage]
            bars.update(task, completed=report.done, total=report.total, loss=loss, visible=True)

        return pretrain(folder, config, show)


def _measure(weights: Path, checks: Sequence[CheckSet]) -> tuple[str, dict[str, Score]]:
    """The SHA-256 of the file, and the figures of what it holds on each check set."""
    network, config = load_weights(weights)
    scores = {}
    for check in checks:
        with console.status(f"measuring on {escape(check.name)}"):
            scores[check.name] = score(network, check.folder, config["size"])
        say(console, f"{escape(check.name)}: {scores[check.name].sentence()}")
    return hashlib.sha256(read_weights(weights)).hexdigest(), scores
