"""The `sonoloop` command as a process of its own, which tests pause, end and kill where they want."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from termios import TIOCSCTTY

from tests.conftest import ROOT

COMMAND = (sys.executable, "-P", "-m", "cli")
LEADING = f"import fcntl, os, sys; fcntl.ioctl(0, {TIOCSCTTY}, 0); os.execv(sys.argv[1], sys.argv[1:])"
"""Python that takes its standard input for its terminal, then becomes the command behind it."""

KILLED_AT = """
import os, pathlib, signal
import {module}
real = {module}.{name}
def kill_or_call(path, *others):
    if pathlib.Path(path).name == {file!r} or not {file!r}:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(path, *others)
{module}.{name} = kill_or_call
from cli.app import main
main()
"""
SHORT_PAUSE = 0.002
PATIENCE_SECONDS = 60.0


def start_command(*words: str | Path, ignoring: signal.Signals | None = None) -> subprocess.Popen[str]:
    """Start it; what it prints comes by `ended`. `ignoring`: a signal that it is started to ignore."""
    before = signal.signal(ignoring, signal.SIG_IGN) if ignoring else None
    try:
        return subprocess.Popen(
            [*COMMAND, *map(str, words)],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    finally:
        if ignoring:
            signal.signal(ignoring, before)


def start_killed_at(function: str, *words: str | Path, file: str = "") -> subprocess.Popen[str]:
    """Start it and let it be killed, as by `kill -9`, in the moment in which it calls a function of a module,
    as in `shutil.move`; with `file`, only where that call is about a file of this name.
    """
    module, name = function.rsplit(".", 1)
    code = KILLED_AT.format(module=module, name=name, file=file)
    return subprocess.Popen(
        [sys.executable, "-P", "-c", code, *map(str, words)],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def start_in_terminal(*words: str | Path) -> tuple[subprocess.Popen[str], int]:
    """Start it as the leader of a terminal of its own, and give that one's other side, to be closed."""
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", LEADING, *COMMAND, *map(str, words)],
        cwd=ROOT,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        text=True,
        start_new_session=True,
    )
    os.close(theirs)
    return process, ours


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
