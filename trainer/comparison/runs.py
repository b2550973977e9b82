"""One training of a comparison: what is to be done with it, and the job that does it."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from loop.errors import BadInput
from loop.training_records import Split
from trainer.becoming import MODEL
from trainer.checkpoint import CHECKPOINT, drop_other_bests
from trainer.comparison.folder import Folder
from trainer.comparison.protocol import Protocol
from trainer.durable import write_whole
from trainer.job import JobSpec, Sample

RESULT, TRAINED, JOB, EPOCHS = "result.json", "trained.json", "job.json", "epochs.jsonl"


class Action(StrEnum):
    """What is left of a run."""

    NOTHING = "nothing"
    JUDGE = "judge"
    RESUME = "resume"
    TRAIN = "train"


@dataclass(frozen=True)
class Traces:
    """What an earlier start left of a run; the digests are those of the protocol it was made under, None
    where there is no file that can be read.
    """

    result: str | None
    trained: str | None
    has_model: bool
    has_checkpoint: bool


def find_traces(folder: Path) -> Traces:
    """Look into the folder of one run."""
    return Traces(
        result=_protocol_of(folder / RESULT),
        trained=_protocol_of(folder / TRAINED),
        has_model=(folder / MODEL).exists(),
        has_checkpoint=(folder / CHECKPOINT).exists(),
    )


def decide(traces: Traces, digests: Collection[str]) -> Action:
    """What to do with a run, from its traces and the digests that the protocol has and had.

    What was made under another protocol counts for nothing. A checkpoint says by itself which job it is of.
    """
    if traces.result in digests:
        return Action.NOTHING
    if traces.trained in digests and traces.has_model:
        return Action.JUDGE
    return Action.RESUME if traces.has_checkpoint else Action.TRAIN


def make_job(
    folder: Folder, protocol: Protocol, network: str, seed: int, threads: int, action: Action
) -> JobSpec:
    """The job of one run. It holds the frames that teach and no others: training cannot see the test.

    Without an inner split nothing chooses among epochs: the last one is the model.
    """
    out = folder.run(network, seed)
    samples = [
        Sample(number, each.group, Split.TRAIN, folder.frame(each.frame), folder.mask(each.mask))
        for number, each in protocol.of_split(Split.TRAIN)
    ]
    return JobSpec(
        classes=protocol.classes,
        recipe=replace(protocol.recipe, network=network),
        seed=seed,
        threads=threads,
        samples=tuple(samples),
        out=out,
        base=None if protocol.base == "scratch" else protocol.base,
        resume_from=out if action is Action.RESUME else None,
    )


def keep_trained(folder: Path, protocol: str, done: Mapping[str, Any]) -> None:
    """Note how a training ended, whereupon it is never gone on with. Raises OutOfSpace."""
    content = {"protocol": protocol, **done}
    write_whole(folder / TRAINED, (json.dumps(content, indent=1) + "\n").encode())


def drop_unfinished(folder: Path) -> None:
    """Remove what only going on with a training would need: several times the size of its model."""
    (folder / CHECKPOINT).unlink(missing_ok=True)
    drop_other_bests(folder, 0)  # none is of epoch 0


def read_trained(folder: Path) -> dict[str, Any]:
    """Read what `keep_trained` noted. Raises BadInput when it is lost."""
    found = _read_json(folder / TRAINED)
    if found is None:
        todo = "remove its folder below runs/, and start the same command again"
        raise BadInput("a training whose end was not noted", "its trained.json", todo)
    return found


def note_epoch(folder: Path, epoch: Mapping[str, Any]) -> None:
    """Add one epoch to the run's curve; a loss of power may cost the curve a point, and nothing else."""
    kept = {name: epoch[name] for name in ("epoch", "epochs", "loss", "seconds")}
    with (folder / EPOCHS).open("a", encoding="utf-8") as file:
        file.write(json.dumps(kept) + "\n")


def read_epochs(folder: Path) -> list[dict[str, Any]]:
    """The epochs of a run in order, the latest note of each."""
    notes: dict[int, dict[str, Any]] = {}
    path = folder / EPOCHS
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            note = json.loads(line)
            notes[int(note["epoch"])] = note
        except (ValueError, LookupError, TypeError):
            continue  # a line that a crash cut short
    return [notes[number] for number in sorted(notes)]


def _protocol_of(path: Path) -> str | None:
    found = _read_json(path)
    return None if found is None else str(found.get("protocol"))


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
