"""The doctor's findings as a table for people, or as JSON for programs; what to do in the words of whoever
runs the services.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from cli.doctor.examine import examine
from cli.doctor.findings import State
from cli.doctor.installation import Installation, read_installation
from cli.markup import escape
from cli.shell import console, errors, say

COLOURS = {State.OK: "green", State.WARN: "yellow", State.FAIL: "bold red"}


@dataclass(frozen=True)
class Line:
    """A finding in words."""

    check: str
    state: State
    got: str
    need: str
    todo: str


def lines_on(installation: Installation) -> Iterator[Line]:
    """One for every check, as it is made."""
    is_deployed = installation.settings.services == "elsewhere"
    for name, each in examine(installation):
        yield Line(name, each.state, each.got, each.need, each.todo.words(is_deployed=is_deployed))


def show_examination(home: Path | None, as_json: bool) -> int:
    """Print every finding; gives the exit code, 1 where a check failed."""
    installation = read_installation(home)
    found: list[Line] = []
    # Some environments force colours, and with them the spinner, into a pipe too: programs read JSON alone.
    with (errors if as_json else console).status("looking") as spinner:
        for line in lines_on(installation):
            found.append(line)
            spinner.update(f"looked at {line.check}")
    counts = Counter(line.state for line in found)
    if as_json:
        listed = [_fields(line) for line in found]
        sys.stdout.write(json.dumps({"ok": not counts[State.FAIL], "checks": listed}, indent=1) + "\n")
    else:
        console.print(_table(found))
        said = ", ".join(f"{counts[state]} {state}" for state in State)
        say(console, said)
    return 1 if counts[State.FAIL] else 0


def _table(found: Sequence[Line]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(no_wrap=True)
    table.add_column()
    table.add_column(overflow="fold")
    for line in found:
        table.add_row(f"[{COLOURS[line.state]}]{line.state}[/]", line.check, _text(line))
    return table


def _text(line: Line) -> str:
    lines = [escape(line.got)]
    if line.need:
        lines.append(f"need: {escape(line.need)}")
    if line.todo:
        lines.append(f"do:   {escape(line.todo)}")
    return "\n".join(lines)


def _fields(line: Line) -> dict[str, str]:
    return {
        "check": line.check,
        "state": line.state.value,
        "got": line.got,
        "need": line.need,
        "do": line.todo,
    }
