"""How a training process ends, and what its end means."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO

import pytest
import structlog
from structlog.testing import capture_logs

import worker.process
from loop.errors import OutOfMemory, TrainingFailed
from worker.folder import RoundFolder, drop_weights_of_others
from worker.process import Event, TrainingProcess
from worker.supervision import Crashed, failure, see_through

CHILD = """
import threading, time
from worker.child import end_with_parent
threading.Thread(target=end_with_parent, args=(0,), daemon=True).start()
time.sleep(60)
"""
FAILED = {"event": "failed", "reason": "non-finite loss", "message": "got a loss of nan", "code": 4}


@pytest.mark.parametrize(
    ("code", "last", "is_killed", "is_named", "kind"),
    [
        (3, {}, False, False, OutOfMemory),
        (-signal.SIGKILL, {}, True, False, OutOfMemory),
        (-signal.SIGKILL, {}, False, True, Crashed),
        (-signal.SIGABRT, {}, False, True, OutOfMemory),
        (-signal.SIGABRT, {}, True, False, Crashed),
        (-signal.SIGSEGV, {}, True, True, Crashed),
        (1, {}, False, True, OutOfMemory),
        (1, {}, True, False, Crashed),
        (143, {}, True, True, Crashed),
        (0, {}, False, False, Crashed),
        (4, FAILED, True, True, TrainingFailed),
        (5, FAILED, False, False, TrainingFailed),
        (6, FAILED, False, False, Crashed),
    ],
)
def test_an_exit_code_says_whether_another_attempt_is_worth_it(
    code: int, last: Event, is_killed: bool, is_named: bool, kind: type[TrainingFailed]
) -> None:
    error = failure(code, last, is_killed=is_killed, is_named=is_named)
    assert type(error) is kind
    assert kind is not TrainingFailed or "got a loss of nan" in error.message


def test_what_a_training_process_writes_to_stderr_becomes_lines_of_its_round(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")  # Python itself writes a line an import then
    job = tmp_path / "job.json"
    job.write_text("{}")
    merge = [structlog.contextvars.merge_contextvars]
    with (
        structlog.contextvars.bound_contextvars(round=7, attempt=2),
        capture_logs(processors=merge) as lines,
        pytest.raises(TrainingFailed),
    ):
        see_through(job, lambda _: None)
    said = [line for line in lines if line["event"] == "training_said"]
    assert any("trainer.job" in line["text"] for line in said)
    assert {(line["round"], line["attempt"]) for line in lines} == {(7, 2)}


def test_what_a_process_says_before_its_worker_is_ready_to_listen_is_passed_on_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = worker.process._in_background

    def start_and_let_it_read_all(
        read: Callable[[IO[bytes]], None], pipe: IO[bytes] | None
    ) -> threading.Thread:
        thread = start(read, pipe)
        thread.join()
        return thread

    monkeypatch.setattr(worker.process, "_in_background", start_and_let_it_read_all)
    monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")
    job = tmp_path / "job.json"
    job.write_text("{}")
    with capture_logs() as lines, pytest.raises(TrainingFailed, match="job file"):
        see_through(job, lambda _: None)
    assert any("trainer.job" in line.get("text", "") for line in lines)


def test_a_training_gives_way_as_far_as_it_is_told(tmp_path: Path) -> None:
    """Asked of the real process, which stops to be looked at where it would begin to train."""
    job = tmp_path / "job.json"
    os.mkfifo(job)
    own = os.getpriority(os.PRIO_PROCESS, 0)
    process = TrainingProcess(job, niceness=3)
    try:
        with job.open("wb"):  # opened for reading now: it has given way before
            assert os.getpriority(os.PRIO_PROCESS, process.pid) == own + 3
    finally:
        process.stop()


def test_a_job_that_cannot_be_read_fails_for_good_with_its_reason(tmp_path: Path) -> None:
    seen: list[Event] = []

    def look(events: Iterable[Event]) -> None:
        seen.extend(events)

    job = tmp_path / "job.json"
    job.write_text("{}")
    with pytest.raises(TrainingFailed, match="job file") as caught:
        see_through(job, look)
    assert type(caught.value) is TrainingFailed
    assert [event["event"] for event in seen] == ["failed"]


LINGERING = """
import json, os, sys, time
print(json.dumps({last}), flush=True)
sys.stdout.close()
os.close(1)
time.sleep(60)
"""


def stand_in(monkeypatch: pytest.MonkeyPatch, folder: Path, program: str) -> Path:
    """A program in the place of `worker.child`, and a job for it."""
    (folder / "worker").mkdir()
    (folder / "worker" / "__init__.py").touch()
    (folder / "worker" / "child.py").write_text(program)
    monkeypatch.setattr("worker.process.PROJECT_ROOT", folder)
    return folder / "job.json"


@pytest.mark.parametrize(
    "last", [{"event": "done", "digest": "d"}, {**FAILED, "reason": "disk full", "code": 5}]
)
def test_what_a_training_said_last_counts_though_its_end_takes_too_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: Event
) -> None:
    job = stand_in(monkeypatch, tmp_path, LINGERING.replace("{last}", repr(last)))
    monkeypatch.setattr("worker.supervision.FAREWELL_SECONDS", 0.5)
    if last["event"] == "done":
        assert see_through(job, lambda _: None) == last
        return
    with pytest.raises(TrainingFailed, match="got a loss of nan") as caught:
        see_through(job, lambda _: None)
    assert type(caught.value) is TrainingFailed


WITHOUT_MEMORY = """
import ctypes, os, resource
import numpy as np
from safetensors.numpy import save
weights = {"tensor": np.zeros(300 << 20, np.uint8)}
held = resource.getpagesize() * int(open("/proc/self/statm").read().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (held + {free}, -1))
save(weights)
"""
"""Safetensors makes two copies: the first is Rust's own, the second is the `bytes` of Python."""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere no process can be kept from memory")
@pytest.mark.parametrize("free", [100 << 20, 400 << 20])
def test_a_library_that_ends_the_process_for_want_of_memory_is_understood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int
) -> None:
    job = stand_in(monkeypatch, tmp_path, WITHOUT_MEMORY.replace("{free}", str(free)))
    with capture_logs() as lines, pytest.raises(OutOfMemory):
        see_through(job, lambda _: None)
    (ended,) = (line for line in lines if line["event"] == "training_ended")
    assert ended["code"] == (-signal.SIGABRT if free == 100 << 20 else 1)


@pytest.mark.parametrize("how", [signal.SIGABRT, signal.SIGKILL])
def test_a_signal_from_elsewhere_is_a_crash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: signal.Signals
) -> None:
    job = stand_in(monkeypatch, tmp_path, f"import os; os.kill(os.getpid(), {int(how)})")
    with pytest.raises(Crashed, match=f"signal {int(how)}"):
        see_through(job, lambda _: None)


def test_what_the_watcher_raises_ends_the_process(tmp_path: Path) -> None:
    def look(_: Iterable[Event]) -> None:
        raise KeyboardInterrupt

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        see_through(tmp_path / "job.json", look)
    assert time.monotonic() - began < 45, "it waited for the process"


def test_a_process_whose_parent_is_gone_ends_by_itself() -> None:
    process = subprocess.Popen([sys.executable, "-c", CHILD], stdin=subprocess.PIPE)
    time.sleep(0.5)
    assert process.poll() is None
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(10) == -signal.SIGTERM


def test_the_newest_checkpoint_is_gone_on_from_and_weights_go_when_the_round_is_over(tmp_path: Path) -> None:
    folder = RoundFolder(tmp_path, 7)
    assert folder.newest_checkpoint() is None
    first, second, third = (folder.new_try(attempt) for attempt in (1, 1, 2))
    for age, out in ((20, first), (10, second)):
        (out / "checkpoint.safetensors").write_bytes(b"weights")
        stamp = time.time() - age
        os.utime(out / "checkpoint.safetensors", (stamp, stamp))
    assert folder.newest_checkpoint() == second
    folder.keep_result({"champion_id": None})
    (third / "job.json").write_text("{}")
    drop_weights_of_others(tmp_path, live={7})
    assert folder.newest_checkpoint() == second
    (third / "checkpoint.safetensors.77.part").write_bytes(b"killed while it wrote")
    drop_weights_of_others(tmp_path, live=set())
    assert folder.newest_checkpoint() is None
    assert not list(folder.path.rglob("*.part"))
    assert folder.result() == {"champion_id": None}
    assert folder.newest_job() == third / "job.json"


def test_a_torn_result_is_no_result(tmp_path: Path) -> None:
    folder = RoundFolder(tmp_path, 7)
    folder.new_try(1)
    (folder.path / "result.json").write_text('{"champion_id": ')
    assert folder.result() is None
