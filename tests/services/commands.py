"""The `sonoloop` command as a process of its own, which tests pause, end and kill where they want."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.conftest import ROOT

SHORT_PAUSE = 0.002
PATIENCE_SECONDS = 60.0


def start_command(*words: str | Path) -> subprocess.Popen[str]:
    """Start it; what it prints comes by `ended`."""
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "cli", *map(str, words)],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Wait for its end: exit code, stdout, stderr."""
    out, errors = process.communicate(timeout=PATIENCE_SECONDS)
    return process.returncode, out, errors


def wait_while_it_runs(process: subprocess.Popen[str], is_so: Callable[[], bool]) -> None:
    """Until `is_so`, looking far more often than the command could pass by. Fails where it ends before."""
    until = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert process.poll() is None, ended(process)
        assert time.monotonic() < until, "it never came so far"
        time.sleep(SHORT_PAUSE)
