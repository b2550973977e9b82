"""The command in a terminal of its own: followed, interrupted, left to its end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[2]
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts the command as in a terminal of its own; what still runs after the test is killed."""
    processes: list[subprocess.Popen[str]] = []

    def start(*words: str | Path) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "cli", *map(str, words)],
            cwd=ROOT,
            env={**os.environ, "COLUMNS": "140"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def test_a_followed_log_shows_new_lines_through_a_rotation_until_ctrl_c(
    start: Start, empty_home: Path
) -> None:
    log = empty_home / "logs" / "backend.log"
    log.parent.mkdir()
    log.write_text("old\nlast [1]\n")
    process = start("logs", "backend", "-n", "1", "-f", "--home", empty_home)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "last [1]\n"
        log.rename(log.with_suffix(".log.1"))
        log.write_text("after the rotation, in a new file\n")
        assert process.stdout.readline() == "after the rotation, in a new file\n"
    finally:
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (0, "")


PRETRAIN = ("pretrain", "--phantoms", "8", "--epochs", "1", "--size", "64", "--out")


def test_ctrl_c_while_phantoms_are_drawn_says_that_nothing_is_lost(start: Start, tmp_path: Path) -> None:
    process = start(*PRETRAIN, tmp_path)
    wait_for_drawing(process)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the drawing processes hear it too
    _, errors = process.communicate(timeout=100)
    assert process.returncode == 130, errors
    assert "nothing is lost" in errors
    assert "Traceback" not in errors
    assert (tmp_path / "unfinished" / "choices.json").exists()


@pytest.mark.full
@pytest.mark.timeout(600)
def test_pretraining_leaves_weights_and_card_and_nothing_unfinished(start: Start, tmp_path: Path) -> None:
    process = start(*PRETRAIN, tmp_path)
    output, errors = process.communicate(timeout=550)
    assert process.returncode == 0, errors
    assert "weights" in output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["base-v0.md", "base-v0.safetensors"]
    assert "--phantoms 8 --epochs 1 --size 64 --seed 0" in (tmp_path / "base-v0.md").read_text()


def wait_for_drawing(process: subprocess.Popen[str]) -> None:
    until = time.monotonic() + 100
    while time.monotonic() < until and process.poll() is None:
        commands = [" ".join(each.cmdline()) for each in psutil.Process(process.pid).children()]
        if any("spawn_main" in command for command in commands):
            return
        time.sleep(0.05)
    raise AssertionError("no drawing process was seen")
