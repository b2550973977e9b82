"""The table of faults: every test marked `fault` gives it a line, printed at the end of the run.

A drill times its recovery, runs the checker of `tests.invariants` and notes what was lost; `--fault-table`
writes the lines to a file as well. Figures travel as properties of the reports, so parallel runs have them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.invariants import Findings, Parts, examine

HEADER = ("fault", "what was done", "seconds to recovery", "annotations lost", "verdict")
WALK_SECONDS = 20 * 60.0
LINE, SECONDS, LOST = "fault", "fault-seconds", "fault-lost"


class Drill:
    """What one test says of its fault: how long the recovery took, and what the checker found."""

    def __init__(self, item: pytest.Item) -> None:
        self._properties = item.user_properties

    @contextmanager
    def recovering(self) -> Iterator[None]:
        """Times the block, from the end of the fault until everything is as it should be."""
        began = time.monotonic()
        yield
        self.took(time.monotonic() - began)

    def took(self, seconds: float) -> None:
        """Note how long it took until everything was as it should be."""
        self._properties.append((SECONDS, seconds))

    def lost(self, count: int, of: int) -> None:
        """Note what a checker of its own found."""
        self._properties.append((LOST, (count, of)))

    def check(self, parts: Parts, project_id: int = 1) -> Findings:
        """Assert that every invariant holds, and note how many annotations were lost, of how many."""
        findings = examine(parts, project_id)
        self._properties.append((LOST, (len(findings.lost), findings.annotations)))
        assert findings.is_whole, str(findings)
        return findings


@pytest.fixture
def drill(request: pytest.FixtureRequest) -> Drill:
    """The recorder of a test marked `fault`."""
    assert request.node.get_closest_marker("fault"), "a drill is marked with its fault"
    return Drill(request.node)


class FaultTable:
    """Gathers the lines of all drills of this run, in the order in which they ended."""

    def __init__(self, target: Path | None) -> None:
        self._target = target
        self._lines: dict[str, tuple[str, ...]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        said: dict[str, Any] = dict(report.user_properties)
        if LINE not in said or (report.when != "call" and report.passed):
            return
        what, done = said[LINE]
        lost, held = said.get(LOST, ("?", "?"))
        seconds = [float(str(value)) for name, value in report.user_properties if name == SECONDS]
        took = f"{max(seconds):.1f}" if seconds else "at once"
        self._lines[report.nodeid] = (str(what), str(done), took, f"{lost} of {held}", report.outcome)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self._lines:
            return
        rows = [HEADER, ("---",) * len(HEADER), *sorted(self._lines.values())]
        table = [f"| {' | '.join(row)} |" for row in rows]
        terminalreporter.section("faults")
        for line in table:
            terminalreporter.write_line(line)
        if self._target is not None:
            self._target.write_text("\n".join(table) + "\n")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fault-table", type=Path, help="write the table of faults to this file")
    parser.addoption("--walk-seconds", type=float, default=WALK_SECONDS, help="how long the random walk goes")
    parser.addoption("--walk-seed", type=int, help="repeat the random walk that began with this number")


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # the controller alone hears of all tests
        config.pluginmanager.register(FaultTable(config.getoption("--fault-table")), "fault-table")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    marker = item.get_closest_marker("fault")
    if marker is not None:
        variant = item.nodeid.partition("[")[2].rstrip("]")
        done = str(marker.kwargs["done"])
        item.user_properties.append((LINE, (marker.args[0], f"{done} ({variant})" if variant else done)))
