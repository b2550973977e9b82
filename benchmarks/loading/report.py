"""The drill's tables, and its figures as JSON."""

from __future__ import annotations

import json
import os
import platform
from collections import Counter
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.loading.drill import Outcome, Side
from benchmarks.loading.figures import (
    growth,
    lags,
    milliseconds,
    per_second,
    processor_seconds,
    push_rates,
    quantile,
)
from benchmarks.loading.picture import draw

KINDS = {"submit": "Submit", "next": "next task", "image": "image"}
SHARES = {"p50": 0.5, "p99": 0.99}


def print_report(outcome: Outcome) -> None:
    """Print everything to the terminal."""
    console = Console(width=max(110, Console().width))
    console.print(_head(outcome))
    for table in (_readers_table(outcome), _mirror_table(outcome), _memory_table(outcome)):
        console.print(table)
    for name, side in _sides(outcome).items():
        for error, count in side.log.errors.items():
            console.print(f"{name}: {count} times {error}", markup=False)


def save(outcome: Outcome, folder: Path) -> None:
    """Write figures and picture into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "load.json").write_text(json.dumps(_figures(outcome)))
    draw(outcome, folder / "load.png")


def _head(outcome: Outcome) -> str:
    plan = outcome.plan
    return (
        f"{plan.readers} readers, {plan.frames} frames; paced: {plan.minutes:g} min at "
        f"{plan.pace:g} s a frame; flood: {plan.flood_minutes:g} min as fast as it goes. "
        f"{os.cpu_count()} cores ({platform.machine()}), load {outcome.load_before:.1f} before. "
        "In brackets: 95 % intervals"
    )


def _sides(outcome: Outcome) -> dict[str, Side]:
    both = {"Sonoloop": outcome.ours, "Label Studio alone": outcome.bare}
    return {name: side for name, side in both.items() if side is not None}


def _readers_table(outcome: Outcome) -> Table:
    seen = [(phase, name, side) for phase in outcome.plan.names for name, side in _sides(outcome).items()]
    table = _table("What readers feel, ms", "", *(f"{name}, {phase}" for phase, name, _ in seen))
    for kind, word in KINDS.items():
        for name, share in SHARES.items():
            cells = [str(milliseconds(side.log.calls, phase, kind, share)) for phase, _, side in seen]
            table.add_row(f"{word}, {name}", *cells)
    rates = [f"{per_second(side.log.calls, phase, 'submit'):.2f}" for phase, _, side in seen]
    table.add_row("submits per second", *rates)
    table.add_row("submits", *(str(_count(side, phase)) for phase, _, side in seen))
    table.add_row("errors, whole run", *(str(side.log.errors.total()) for *_, side in seen))
    table.add_row("frames that two had, whole run", *(str(side.log.shared_tasks) for *_, side in seen))
    return table


def _mirror_table(outcome: Outcome) -> Table:
    calls, phases = outcome.ours.log.calls, outcome.plan.names
    table = _table("What Sonoloop does meanwhile", "", *phases)
    spans = [_span(outcome.ours, phase) for phase in phases]
    webhooks = [[ms for at, ms in outcome.webhooks if low <= at <= high] for low, high in spans]
    waits = [lags(calls, phase, outcome.recorded) for phase in phases]
    for word, seen in (("webhook, {}, ms", webhooks), ("Submit to mask version, {}, s", waits)):
        for name, share in SHARES.items():
            table.add_row(word.format(name), *(str(quantile(each, share)) for each in seen))
    table.add_section()
    for word, figure in _whole_run(outcome).items():
        table.add_row(word, figure)
    return table


def _whole_run(outcome: Outcome) -> dict[str, str]:
    looks, intake, bare = outcome.ours.looks, outcome.intake, outcome.bare
    rounds = Counter(each.state.value for each in outcome.rounds)
    return {
        "predictions pushed per second, while it pushes": str(quantile(push_rates(looks), 0.5)),
        "predictions pushed": str(looks[-1].predictions - looks[0].predictions),
        "frames taken in, s: files, Label Studio, queue": " ".join(f"{each:.0f}" for each in intake.steps),
        "the same tasks into Label Studio alone, s": f"{bare.import_seconds:.0f}" if bare else "-",
        "annotations in Label Studio": str(outcome.annotations),
        "of these not in the mirror; only in the mirror": f"{outcome.missing}; {outcome.surplus}",
        "mirror whole after the last Submit, s": f"{outcome.settled:.1f}",
        "rounds": ", ".join(f"{count} {state}" for state, count in rounds.items()) or "none",
        "readers' moves": ", ".join(f"{count} {move}" for move, count in outcome.ours.log.moves.items()),
    }


def _memory_table(outcome: Outcome) -> Table:
    headings = "start", "middle", "end", "peak", "per 1,000 submits", "ms of a core per submit"
    table = _table("Memory beside files and shared memory in MiB, and processor time", "service", *headings)
    for name, side in _sides(outcome).items():
        submits = [each.at for each in side.log.calls if each.kind == "submit"]
        for service in side.looks[-1].memory:
            grown = growth(side.looks, service, submits)
            processor = 1000 * processor_seconds(side.looks, service) / max(1, len(submits))
            numbers = [f"{each:.0f}" for each in (grown.start, grown.middle, grown.end, grown.peak)]
            label = service if side is outcome.ours else f"{name}: {service}"
            table.add_row(label, *numbers, f"{grown.slope:+.1f}", f"{processor:.0f}")
    return table


def _figures(outcome: Outcome) -> dict[str, object]:
    calls = outcome.ours.log.calls
    return {
        "plan": asdict(outcome.plan),
        "intake": outcome.intake.steps,
        "webhooks": outcome.webhooks,
        "lags": {phase: lags(calls, phase, outcome.recorded) for phase in outcome.plan.names},
        "mirror": [outcome.annotations, outcome.missing, outcome.surplus, outcome.settled],
        **{name: _side(side) for name, side in _sides(outcome).items()},
    }


def _side(side: Side) -> dict[str, object]:
    return {
        "import_seconds": side.import_seconds,
        "calls": [(each.phase, each.kind, round(each.at, 2), each.seconds) for each in side.log.calls],
        "errors": side.log.errors,
        "looks": [asdict(look) for look in side.looks],
    }


def _count(side: Side, phase: str) -> int:
    return sum((each.phase, each.kind) == (phase, "submit") for each in side.log.calls)


def _span(side: Side, phase: str) -> tuple[float, float]:
    times = [each.at for each in side.log.calls if each.phase == phase]
    return (min(times), max(times)) if times else (0.0, 0.0)


def _table(title: str, *headings: str) -> Table:
    table = Table(title=title, title_justify="left")
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="right" if number else "left")
    return table
