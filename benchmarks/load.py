"""Many readers on a large project, side by side with Label Studio alone: `python -m benchmarks.load`.

Simulated readers with accounts of their own work through Label Studio's API, first at a person's pace, then
as fast as it goes, while rounds train. PostgreSQL, Redis, Label Studio, backend and workers are real.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from benchmarks.loading.plan import Plan

HELP = {
    "readers": "how many read at once",
    "frames": "frames of the project",
    "minutes": "how long they read at a person's pace",
    "flood_minutes": "how long they read as fast as it goes",
    "pace": "seconds that a reader takes for a frame",
    "new_labels": "new labels that start a round",
}
QUICK: dict[str, Any] = {"frames": 1000, "minutes": 0.75, "flood_minutes": 0.25}


def parse(arguments: Sequence[str] | None) -> tuple[Plan, Path | None]:
    """The plan, and the folder for figures and picture."""
    parser = argparse.ArgumentParser("sonoloop bench load", description="Many readers on a large project.")
    defaults = {field.name: field.default for field in fields(Plan) if field.name in HELP}
    for name, default in defaults.items():
        words = f"{HELP[name]} ({default})"
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(default), help=words)
    parser.add_argument("--without-bare", action="store_true", help="leave Label Studio alone out")
    parser.add_argument("--quick", action="store_true", help="1,000 frames and a minute")
    parser.add_argument("--out", type=Path, help="folder for the figures (JSON) and the picture (PNG)")
    chosen = parser.parse_args(arguments)
    given = {name: value for name in HELP if (value := getattr(chosen, name)) is not None}
    return Plan(**{**(QUICK if chosen.quick else {}), **given}, with_bare=not chosen.without_bare), chosen.out


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the drill and print its tables."""
    plan, out = parse(arguments)
    from benchmarks.loading.drill import drill
    from benchmarks.loading.report import print_report, save

    outcome = drill(plan)
    print_report(outcome)
    if out is not None:
        save(outcome, out)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # the readers' own arithmetic must not take the machine
    main()
