"""The doctor's findings as a table for people, or as JSON for programs."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

from rich.table import Table

from cli.doctor.examine import examine
from cli.doctor.findings import Finding, State
from cli.doctor.installation import read_installation
from cli.markup import escape
from cli.shell import console, say

COLOURS = {State.OK: "green", State.WARN: "yellow", State.FAIL: "bold red"}


def show_examination(home: Path | None, as_json: bool) -> int:
    """Print every finding; gives the exit code, 1 where a check failed."""
    installation = read_installation(home)
    found: list[tuple[str, Finding]] = []
    with console.status("looking") as spinner:
        for name, finding in examine(installation):
            found.append((name, finding))
            spinner.update(f"looked at {name}")
    counts = Counter(finding.state for _, finding in found)
    if as_json:
        listed = [{"check": name, **_fields(finding)} for name, finding in found]
        sys.stdout.write(json.dumps({"ok": not counts[State.FAIL], "checks": listed}, indent=1) + "\n")
    else:
        console.print(_table(found))
        said = ", ".join(f"{counts[state]} {state}" for state in State)
        say(console, said)
    return 1 if counts[State.FAIL] else 0


def _table(found: list[tuple[str, Finding]]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(no_wrap=True)
    table.add_column()
    table.add_column(overflow="fold")
    for name, finding in found:
        table.add_row(f"[{COLOURS[finding.state]}]{finding.state}[/]", name, _text(finding))
    return table


def _text(finding: Finding) -> str:
    lines = [escape(finding.got)]
    if finding.need:
        lines.append(f"need: {escape(finding.need)}")
    if finding.todo:
        lines.append(f"do:   {escape(finding.todo)}")
    return "\n".join(lines)


def _fields(finding: Finding) -> dict[str, str]:
    return {"state": finding.state.value, "got": finding.got, "need": finding.need, "do": finding.todo}
