"""Breaking a service of a running home for a while, and what a visit of the doctor would leave in it."""

from __future__ import annotations

import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psutil

from adapters.label_studio.users import list_accounts
from adapters.services.control import status
from cli.doctor.findings import Finding, State
from loop.records import Project
from tests.e2e.homes import Home
from tests.machine import wait_until

Look = Callable[[], Finding]


@contextmanager
def paused(home: Home, *names: str) -> Iterator[None]:
    """The services are there and answer nothing, nor does anything they started."""
    pids = [each.pid for each in status(home.settings) if each.name in names and each.pid]
    processes = [each for pid in pids for each in (psutil.Process(pid), *psutil.Process(pid).children(True))]
    for process in processes:
        process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            process.send_signal(signal.SIGCONT)


def kept(home: Home, project: Project) -> tuple[object, ...]:
    """What a reader, an administrator or the loop would see of a visit."""
    api = home.container.label_studio_api
    path: Path = home.settings.root / "label-studio" / "label_studio.sqlite3"
    with closing(sqlite3.connect(path)) as database:
        locks = database.execute("SELECT count(*) FROM tasks_tasklock").fetchone()
    with home.container.database.read() as uow:
        aside = uow.marks.list_set_aside()
    tasks = home.container.label_studio.task_ids(project.label_studio_id or 0)
    return tasks, [each.email for each in list_accounts(api)], locks, aside


def fails(look: Look, *words: str) -> None:
    finding = look()
    assert finding.state is State.FAIL, finding
    assert all(word in finding.got for word in words), finding


def kill(home: Home, name: str) -> None:
    """The supervisor starts it again."""
    (pid,) = [each.pid for each in status(home.settings) if each.name == name]
    psutil.Process(pid).kill()
    wait_until(
        lambda: any(each.pid not in (None, pid) for each in status(home.settings) if each.name == name), name
    )


@contextmanager
def nothing_mirrored(home: Home) -> Iterator[None]:
    """Whatever the light worker would copy is refused by our database; all else goes on."""
    forbid = "BEFORE INSERT ON mask_versions BEGIN SELECT RAISE(ABORT, 'kept out'); END"
    with closing(sqlite3.connect(home.settings.database_file, timeout=20)) as database:
        database.execute(f"CREATE TRIGGER kept_out {forbid}")
        database.commit()
        try:
            yield
        finally:
            database.execute("DROP TRIGGER kept_out")
            database.commit()
