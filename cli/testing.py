"""`sonoloop test`: brings what the tests need, then runs the checks and pytest."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from adapters.cores import usable_cores
from cli.auditing import audit
from cli.system_parts import PARTS, bring, explain_missing, is_ci

ROOT = Path(__file__).resolve().parents[1]
IN_PARALLEL = (
    "-n",
    str(min(4, max(3, usable_cores()))),
    "--dist",
    "loadfile",
    "--no-loadscope-reorder",
)
"""Many tests wait for a service; beside them others compute. Those of one file share its servers; files go in
the order that `tests/conftest.py` gives them.
"""
ROOMS = ("loop", "trainer", "db", "adapters", "ml_backend", "worker", "cli", "benchmarks")
NO_TESTS = 5  # pytest's exit code when nothing was collected


@dataclass(frozen=True)
class Outcome:
    """How one step of the run ended; `seconds` is wall time."""

    name: str
    passed: bool
    seconds: float
    note: str = ""


def run_tests(full: bool, extra: Sequence[str] = ()) -> int:
    """Run the checks and the tests; return 0 when all passed, else 1.

    `full` adds the long drills. With `extra` (arguments for pytest) only pytest runs, on what they select.
    The last line that is printed is pytest's own closing line.
    """
    outcomes = [_bring_parts()]
    if not extra:
        tools = Path(sys.executable).parent
        outcomes += [_run_check(name, command) for name, command in _checks(tools)]
        outcomes.append(_run_audit(tools))
    tests, closing = _run_pytest([*(["--full"] if full else []), *(extra or IN_PARALLEL)])
    outcomes.append(tests)
    _say("")
    for outcome in outcomes:
        verdict = "passed" if outcome.passed else "FAILED"
        _say(f"{outcome.name:<14} {verdict}  {outcome.seconds:6.1f} s  {outcome.note}".rstrip())
    _say(closing)
    return 0 if all(outcome.passed for outcome in outcomes) else 1


def _checks(tools: Path) -> list[tuple[str, list[str]]]:
    return [
        ("ruff", [str(tools / "ruff"), "check", "--quiet", "."]),
        ("ruff format", [str(tools / "ruff"), "format", "--check", "--quiet", "."]),
        ("mypy", [str(tools / "mypy"), "--no-error-summary"]),
        ("import-linter", [str(tools / "lint-imports")]),
        ("bandit", [str(tools / "bandit"), "--quiet", "-c", "pyproject.toml", "-r", *ROOMS]),
    ]


def _bring_parts() -> Outcome:
    started = time.monotonic()
    missing = bring(PARTS)
    for part in missing:
        _say(explain_missing(part))
    note = f"missing: {', '.join(part.name for part in missing)}" if missing else ""
    return Outcome("system parts", not (missing and is_ci()), time.monotonic() - started, note)


def _run_check(name: str, command: Sequence[str]) -> Outcome:
    started = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    outcome = Outcome(name, done.returncode == 0, time.monotonic() - started)
    if not outcome.passed:
        _say(f"{name}: FAILED\n{done.stdout}{done.stderr}")
    return outcome


def _run_audit(tools: Path) -> Outcome:
    started = time.monotonic()
    is_clean, note = audit(tools, ROOT)
    return Outcome("pip-audit", is_clean, time.monotonic() - started, note)


def _run_pytest(arguments: Sequence[str]) -> tuple[Outcome, str]:
    started = time.monotonic()
    closing = "pytest said nothing"
    with subprocess.Popen(
        [sys.executable, "-m", "pytest", *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        for line in process.stdout or ():
            _say(line.rstrip("\n"))
            closing = line.strip() or closing
    note = "no test was selected" if process.returncode == NO_TESTS else ""
    return Outcome("pytest", process.returncode == 0, time.monotonic() - started, note), closing


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
