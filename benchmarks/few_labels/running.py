"""Trials side by side, kept line by line."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.few_labels.folds import FOLDS, divide, read_frames
from benchmarks.few_labels.table import print_table
from benchmarks.few_labels.variants import CONFIRMED, VARIANTS

ROOT = Path(__file__).resolve().parents[2]
BASE = ROOT / "weights" / "base-v0.safetensors"


@dataclass(frozen=True)
class Trial:
    """One training: `labels` 0 stands for the base weights as they are."""

    stage: str
    variant: str
    labels: int
    fold: int
    seed: int


def run() -> None:
    """Run what the file does not hold yet, then print the table."""
    given = _arguments()
    given.out.parent.mkdir(parents=True, exist_ok=True)
    trials = [trial for trial in _wanted(given) if trial not in _kept(given.out)]
    context = multiprocessing.get_context("spawn")
    ends = time.monotonic() + given.minutes * 60
    with ProcessPoolExecutor(given.processes, mp_context=context) as pool, given.out.open("a") as out:
        waiting = {pool.submit(_run, given, trial, ends): trial for trial in trials}
        for done, future in enumerate(as_completed(waiting), 1):
            if (line := future.result()) is not None:
                out.write(line + "\n")
                out.flush()
            sys.stderr.write(f"{done}/{len(trials)} {waiting[future]}\n")
    print_table([json.loads(line) for line in given.out.read_text().splitlines()], given.stage)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="sonoloop bench small_sets")
    parser.add_argument("--data", type=Path, required=True, help="a folder with images/ and masks/")
    parser.add_argument("--out", type=Path, required=True, help="file of results; it is gone on with")
    parser.add_argument("--value", type=int, default=2, help="of the class in the masks")
    parser.add_argument(
        "--base", type=Path, default=ROOT / "weights" / "base-v0.safetensors", help="base weights"
    )
    parser.add_argument("--stage", choices=("choose", "confirm"), default="choose")
    parser.add_argument("--variants", default="", help="names, the first for reference; all by default")
    help_labels = (
        "how many frames teach, 0: the base weights as they are; at most those of the pool (10,40,160)"
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
    if not read_frames(given.data):
        parser.error(f"no images/*.png in {given.data}")
    return given


def _numbers(text: str) -> list[int]:
    return [int(each) for each in text.split(",")]


def _wanted(given: argparse.Namespace) -> Iterator[Trial]:
    """Seed by seed, so that a run that is cut short has judged every variant once."""
    folds = [0] if given.stage == "choose" else range(FOLDS)
    for seed in range(given.seeds):
        for fold in folds:
            for name in _names(given):
                for labels in given.labels:
                    yield Trial(given.stage, name, labels, fold, seed)


def _names(given: argparse.Namespace) -> list[str]:
    if given.variants:
        return list(given.variants.split(","))
    return list(CONFIRMED if given.stage == "confirm" else VARIANTS)


def _kept(out: Path) -> set[Trial]:
    if not out.exists():
        return set()
    return {Trial(**json.loads(line)["trial"]) for line in out.read_text().splitlines()}


def _run(given: argparse.Namespace, trial: Trial, ends: float) -> str | None:
    os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
    if time.monotonic() > ends:
        return None
    import torch

    from benchmarks.few_labels.trial import Setting, run_trial

    torch.set_num_threads(given.threads)
    division = divide(read_frames(given.data), trial.fold, trial.stage == "choose")
    labels = min(trial.labels, len(division.pool))
    setting = Setting(given.value, given.base, given.threads)
    judged = run_trial(setting, VARIANTS[trial.variant], division, labels, trial.seed)
    return json.dumps({"trial": asdict(trial), **asdict(judged)})
