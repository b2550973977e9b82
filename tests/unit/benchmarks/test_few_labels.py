"""The benchmark on few labels says how many frames really taught, and ends with whoever started it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.few_labels.running import run
from benchmarks.few_labels.table import paired
from tests.discs import draw_disc
from tests.machine import is_alive, wait_until

ROOT = Path(__file__).resolve().parents[3]


def data_of(folder: Path, frames: int) -> Path:
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True)
    for number in range(frames):
        image, mask = draw_disc(number)
        cv2.imwrite(str(folder / "images" / f"{number:04d}.png"), image)
        cv2.imwrite(str(folder / "masks" / f"{number:04d}.png"), mask[0].astype(np.uint8) * 2)
    return folder


def row(stage: str, labels: int) -> str:
    """As a trial leaves it: of three judged frames."""
    trial = {"stage": stage, "variant": "fast", "labels": labels, "fold": 0, "seed": 0}
    frames = {"1": 0.5, "2": 0.7, "3": None}
    shown = {"dice": {"0": frames}, "has_vessel": {"1": True, "2": True, "3": False}, "seconds": 1.0}
    return json.dumps({"trial": trial, **shown}) + "\n"


def bench(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> None:
    monkeypatch.setattr(sys, "argv", ["bench", *map(str, arguments)])
    run()


def test_the_table_says_how_many_frames_taught_where_the_pool_holds_fewer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """60 frames: 12 of the fold and 40 that judge leave 8. What was measured with them is not done again."""
    data, out = data_of(tmp_path / "data", 60), tmp_path / "results"
    out.write_text(row("choose", 8))
    bench(monkeypatch, "--data", data, "--out", out, "--variants", "fast", "--labels", "8,160")
    shown = capsys.readouterr()
    assert "the pool holds 8 frames" in shown.err
    assert "8 labels" in shown.out
    assert "160" not in shown.out
    assert len(out.read_text().splitlines()) == 1


def test_rows_that_once_said_more_than_the_pool_held_are_read_as_what_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data, out = data_of(tmp_path / "data", 60), tmp_path / "results"
    out.write_text(row("choose", 160))
    bench(monkeypatch, "--data", data, "--out", out, "--variants", "fast", "--labels", "160")
    assert "8 labels" in capsys.readouterr().out
    assert len(out.read_text().splitlines()) == 1, "it was not done again"


@pytest.mark.parametrize(
    ("frames", "labels", "words"),
    [
        (40, "10", "40 frames leave none that teach"),
        (60, "ten", "no list of numbers"),
        (60, "-1", "needs numbers"),
    ],
)
def test_what_cannot_be_measured_is_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    frames: int,
    labels: str,
    words: str,
) -> None:
    with pytest.raises(SystemExit):
        bench(
            monkeypatch, "--data", data_of(tmp_path, frames), "--out", tmp_path / "out", f"--labels={labels}"
        )
    assert words in capsys.readouterr().err


def test_a_difference_on_one_frame_has_no_interval() -> None:
    assert paired({"1": 0.75}, {"1": 0.5}) == "+0.250 (–)"
    assert paired({"1": 0.75, "2": 0.5}, {"1": 0.5, "2": 0.5}) == "+0.125 (+0.000 to +0.250)"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="processes are looked at in /proc")
def test_a_killed_benchmark_takes_its_training_with_it(tmp_path: Path) -> None:
    arguments = [
        "--data",
        data_of(tmp_path / "data", 20),
        "--out",
        tmp_path / "results",
        "--stage",
        "confirm",
    ]
    arguments += ["--variants", "paper", "--labels", "8", "--threads", "1"]
    command = [sys.executable, "-P", "-m", "cli", "bench", "small_sets", *map(str, arguments)]
    with killed_once(command, lambda pids: any(map(has_torch, pids)), 120) as everything:
        wait_until(lambda: not any(map(is_alive, everything)), "the end of all that it started", 10)


@pytest.mark.skipif(sys.platform != "linux", reason="processes are looked at in /proc")
def test_processes_that_share_work_end_with_whom_they_work_for(tmp_path: Path) -> None:
    """Even while they wait for more work."""
    files = [str(tmp_path / name) for name in "ab"]
    program = (
        "import time; from pathlib import Path; from trainer.processes import map_in_processes\n"
        f"done = map_in_processes(Path.touch, map(Path, {files}), 2); next(done); time.sleep(99)"
    )
    is_done = lambda _: all(map(os.path.exists, files))  # noqa: E731
    with killed_once([sys.executable, "-c", program], is_done, 60) as everything:
        assert len(everything) == 3, "two that work, and one that counts what is shared"
        wait_until(lambda: not any(map(is_alive, everything)), "the end of all that it started", 10)


@contextmanager
def killed_once(
    command: list[str], is_so: Callable[[list[int]], bool], seconds: float
) -> Iterator[list[int]]:
    """Kill a program once it is so of the processes that it started, and give these."""
    program = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: is_so(below(program.pid)), "its work", seconds)
        started = below(program.pid)
    finally:
        program.kill()
        program.wait()
    try:
        yield started
    finally:
        for pid in filter(is_alive, started):
            os.kill(pid, signal.SIGKILL)


def below(pid: int) -> list[int]:
    """The processes that one started, and that these started."""
    found: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            found += map(int, path.read_text().split())
    return [each for child in found for each in (child, *below(child))]


def has_torch(pid: int) -> bool:
    with suppress(OSError):
        return "libtorch" in Path(f"/proc/{pid}/maps").read_text()
    return False
