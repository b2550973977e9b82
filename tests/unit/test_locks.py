"""A lock says who runs, through exec and after any death."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from adapters.locks import end_holder, exclusive, holder, try_hold
from loop.errors import Conflict
from tests.services.disks import small_disk

HOLD = """
import os, signal, sys
from pathlib import Path
from adapters.locks import try_hold
os.set_inheritable(try_hold(Path(sys.argv[1])), True)
if sys.argv[2] == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.execvp("sleep", ["sleep", "60"])
"""


@contextmanager
def held(path: Path, manner: str = "mild") -> Iterator[subprocess.Popen[bytes]]:
    """Another process that has locked the file and then become a program that knows nothing of it."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(path), manner], start_new_session=True)
    try:
        while holder(path) is None:
            assert process.poll() is None
            time.sleep(0.02)
        yield process
    finally:
        process.kill()
        process.wait()


def test_the_holder_is_known_through_exec_and_forgotten_with_its_death(tmp_path: Path) -> None:
    path = tmp_path / "redis.lock"
    assert holder(path) is None
    with held(path) as process:
        assert holder(path) == process.pid
        assert try_hold(path) is None
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert holder(path) is None
        assert try_hold(path) is not None


@pytest.mark.parametrize("manner", ["mild", "stubborn"])
def test_a_holder_is_ended_by_force_if_need_be(manner: str, tmp_path: Path) -> None:
    path = tmp_path / "redis.lock"
    with held(path, manner) as process:
        assert end_holder(path, seconds=0.3)
        assert process.wait(5) == (-signal.SIGKILL if manner == "stubborn" else -signal.SIGTERM)
    assert not end_holder(path, seconds=0.3)


def test_only_one_starts_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "run" / "start.lock"
    with exclusive(path, 1), pytest.raises(Conflict, match="another start"), exclusive(path, 0.1):
        pass
    with exclusive(path, 0.1):
        pass


def test_a_full_disk_takes_the_name_of_the_next_holder(tmp_path: Path) -> None:
    with small_disk(tmp_path / "run", 1) as disk:
        path = disk.folder / "redis.lock"
        with held(path):
            disk.fill()
            disk.make_room() if not disk.is_real else None  # a limit on sizes forbids what a full disk takes
        handle = try_hold(path)
        assert handle is not None
        assert holder(path) == os.getpid()
        os.close(handle)
