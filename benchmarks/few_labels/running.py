"""Trials side by side, kept line by line."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.few_labels.folds import FOLDS, INNER, Frame, divide, read_frames
from benchmarks.few_labels.table import print_table
from benchmarks.few_labels.variants import CONFIRMED, VARIANTS
from trainer.processes import end_with_parent

ROOT = Path(__file__).resolve().parents[2]
STAGES = ("choose", "confirm")


@dataclass(frozen=True)
class Trial:
    """One training: as many frames teach as `labels` says, 0 stands for the base weights as they are."""

    stage: str
    variant: str
    labels: int
    fold: int
    seed: int


def run() -> None:
    """Run what the file does not hold yet, then print the table."""
    given = _arguments()
    given.out.parent.mkdir(parents=True, exist_ok=True)
    kept = {Trial(**row["trial"]) for row in _rows(given)}
    trials = [trial for trial in _wanted(given) if trial not in kept]
    context = multiprocessing.get_context("spawn")
    ends = time.monotonic() + given.minutes * 60
    with (
        ProcessPoolExecutor(given.processes, mp_context=context, initializer=end_with_parent) as pool,
        given.out.open("a") as out,
    ):
        waiting = {pool.submit(_run, given, trial, ends): trial for trial in trials}
        for done, future in enumerate(as_completed(waiting), 1):
            if (line := future.result()) is not None:
                out.write(line + "\n")
                out.flush()
            sys.stderr.write(f"{done}/{len(trials)} {waiting[future]}\n")
    print_table(_rows(given), given.stage)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="sonoloop bench small_sets")
    parser.add_argument("--data", type=Path, required=True, help="a folder with images/ and masks/")
    parser.add_argument("--out", type=Path, required=True, help="file of results; it is gone on with")
    parser.add_argument("--value", type=int, default=2, help="of the class in the masks")
    parser.add_argument(
        "--base", type=Path, default=ROOT / "weights" / "base-v0.safetensors", help="base weights"
    )
    parser.add_argument("--stage", choices=STAGES, default="choose")
    parser.add_argument("--variants", default="", help="names, the first for reference; all by default")
    help_labels = (
        "how many frames teach, 0: the base weights as they are (10,40,160); where the pool holds fewer, "
        "all of it teaches, and rows and table say how many that are"
    )
    parser.add_argument("--labels", type=_numbers, default=[10, 40, 160], help=help_labels)
    parser.add_argument("--seeds", type=int, default=1, help="trainings of each (1)")
    parser.add_argument("--processes", type=int, default=1, help="trainings side by side (1)")
    parser.add_argument("--threads", type=int, default=2, help="of each process")
    parser.add_argument("--minutes", type=float, default=1e6, help="no training begins later than this")
    given = parser.parse_args()
    if unknown := sorted(set(_names(given)) - set(VARIANTS)):
        parser.error(f"no variant {', '.join(unknown)}; there are {', '.join(VARIANTS)}")
    if not given.labels or min(given.labels) < 0:
        parser.error("--labels needs numbers, 0 for the base weights alone")
    if not (frames := read_frames(given.data)):
        parser.error(f"no images/*.png in {given.data}")
    given.pools = {stage: _pool_size(frames, stage) for stage in STAGES}
    most = given.pools[given.stage]
    if not most:
        parser.error(f"{len(frames)} frames leave none that teach, {INNER} and a fifth judge: add frames")
    if max(given.labels) > most:
        sys.stderr.write(f"the pool holds {most} frames: these teach where more labels are asked for\n")
        given.labels = list(dict.fromkeys(min(each, most) for each in given.labels))
    return given


def _pool_size(frames: Sequence[Frame], stage: str) -> int:
    """How many frames can teach, in every fold of a stage alike."""
    return min(len(divide(list(frames), fold, stage == "choose").pool) for fold in _folds(stage))


def _folds(stage: str) -> Sequence[int]:
    return [0] if stage == "choose" else range(FOLDS)


def _numbers(text: str) -> list[int]:
    try:
        return [int(each) for each in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no list of numbers such as 10,40,160") from None


def _wanted(given: argparse.Namespace) -> Iterator[Trial]:
    """Seed by seed, so that a run that is cut short has judged every variant once."""
    for seed in range(given.seeds):
        for fold in _folds(given.stage):
            for name in _names(given):
                for labels in given.labels:
                    yield Trial(given.stage, name, labels, fold, seed)


def _names(given: argparse.Namespace) -> list[str]:
    if given.variants:
        return list(given.variants.split(","))
    return list(CONFIRMED if given.stage == "confirm" else VARIANTS)


def _rows(given: argparse.Namespace) -> list[dict[str, Any]]:
    """What the file holds. Rows of an older version may say more labels than the pool had frames to teach."""
    if not given.out.exists():
        return []
    rows = [json.loads(line) for line in given.out.read_text().splitlines()]
    for row in rows:
        trial = row["trial"]
        trial["labels"] = min(trial["labels"], given.pools[trial["stage"]])
    return rows


def _run(given: argparse.Namespace, trial: Trial, ends: float) -> str | None:
    os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
    if time.monotonic() > ends:
        return None
    import torch

    from benchmarks.few_labels.trial import Setting, run_trial

    torch.set_num_threads(given.threads)
    division = divide(read_frames(given.data), trial.fold, trial.stage == "choose")
    setting = Setting(given.value, given.base, given.threads)
    judged = run_trial(setting, VARIANTS[trial.variant], division, trial.labels, trial.seed)
    return json.dumps({"trial": asdict(trial), **asdict(judged)})
