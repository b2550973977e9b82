"""The supervisor outlives a full disk, and gives no service up for good."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from supervisor.loggers import LevelsByName, LogRecord

from adapters.services.overseer import PatientHandler
from adapters.services.supervisor import Supervisor
from tests.machine import wait_until
from tests.services.disks import FILLER, SmallDisk, small_disk

LINE = 1000
ROOT = Path(__file__).resolve().parents[3]
IMPATIENT = """
import sys
from adapters.services import overseer
overseer.REVIVE_SECONDS = 1.0
overseer.main(*sys.argv[1:])
"""
CONFIGURATION = """
[supervisord]
nodaemon=true
silent=true
logfile=supervisord.log
logfile_maxbytes=10MB
logfile_backups=2
pidfile=supervisord.pid
[unix_http_server]
file={socket}
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[program:talker]
command={python} -u -c "exec('import time\\nwhile True: print(999 * chr(97)); time.sleep(0.01)')"
stdout_logfile=talker.log
stdout_logfile_maxbytes=10MB
stdout_logfile_backups=2
startsecs=0
[program:waiting]
command=/bin/sh -c "test -e wanted && exec sleep 60"
startretries=0
"""


@contextmanager
def overseen(folder: Path, socket: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A supervisor of two small programs, with its own log and standard error in the folder, as in a home."""
    configuration = folder / "supervisord.conf"
    configuration.write_text(CONFIGURATION.format(socket=socket, python=sys.executable))
    command = [sys.executable, "-c", IMPATIENT, str(folder), str(configuration)]
    with (folder / "supervisord.log").open("ab") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, start_new_session=True)
    try:
        wait_until(Supervisor(socket).is_up, "the supervisor")
        yield process
    finally:
        process.terminate()
        process.wait(20)


def state_of(supervisor: Supervisor, name: str) -> str:
    return next(str(each["statename"]) for each in supervisor.states() if each["name"] == name)


def restart_often(supervisor: Supervisor, times: int) -> None:
    """Each end and each start is a line in the supervisor's own log."""
    for _ in range(times):
        pid = _pid(supervisor)
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda pid=pid: _pid(supervisor) not in (0, pid), "its successor")  # type: ignore[misc]


def _pid(supervisor: Supervisor) -> int:
    return next(int(each["pid"]) for each in supervisor.states() if each["name"] == "talker")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "home", 1) as made:
        yield made


def test_a_full_disk_ends_neither_the_supervisor_nor_the_logs(disk: SmallDisk, tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path / "s.sock")
    with overseen(disk.folder, tmp_path / "s.sock") as process:
        log = disk.folder / "talker.log"
        wait_until(lambda: log.exists() and log.stat().st_size > 0, "the first lines")
        disk.fill()
        disk.limit(process.pid, 0)
        restart_often(supervisor, 5)
        assert process.poll() is None
        disk.make_room()
        assert not (disk.folder / FILLER).exists()
        held = log.stat().st_size
        wait_until(lambda: log.stat().st_size not in (0, held), "lines again")
        said = (disk.folder / "supervisord.log").stat().st_size
        restart_often(supervisor, 1)
        assert (disk.folder / "supervisord.log").stat().st_size != said


def test_a_rotation_on_a_full_disk_waits_for_room(disk: SmallDisk) -> None:
    path = disk.folder / "talker.log"
    handler = PatientHandler(str(path), maxBytes=3 * LINE, backupCount=2)
    handler.emit(LogRecord(LevelsByName.INFO, LINE * b"a"))
    disk.fill()
    for _ in range(20):
        handler.emit(LogRecord(LevelsByName.INFO, LINE * b"b"))
    disk.make_room()
    for _ in range(2):
        handler.emit(LogRecord(LevelsByName.INFO, LINE * b"c"))
    handler.close()
    assert path.read_bytes().endswith(b"c" * LINE)
    assert path.stat().st_size <= 3 * LINE, "it was rotated"


def test_a_service_that_was_given_up_is_tried_again(tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path / "s.sock")
    with overseen(tmp_path, tmp_path / "s.sock"):
        wait_until(lambda: state_of(supervisor, "waiting") == "FATAL", "its failure")
        (tmp_path / "wanted").touch()
        wait_until(lambda: state_of(supervisor, "waiting") == "RUNNING", "another try")


def test_what_another_has_started_meanwhile_is_started(tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path / "s.sock")

    def start_again_and_again(_: int) -> None:
        for _ in range(20):
            supervisor.start_stopped()

    with overseen(tmp_path, tmp_path / "s.sock"), ThreadPoolExecutor(8) as pool:
        list(pool.map(start_again_and_again, range(8)))  # a Fault of one would be raised here
        (tmp_path / "wanted").touch()
        supervisor.start_stopped()
        wait_until(lambda: state_of(supervisor, "waiting") == "RUNNING", "a start")
