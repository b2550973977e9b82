"""Becomes one service: takes its lock, lays its environment over the inherited one, and runs it in this
process.

The supervisor runs `python -m adapters.services.launch NAME`, so no secret stands in its configuration or on
a command line, and whoever survived a supervisor that was killed is ended before its successor starts.
"""

from __future__ import annotations

import os
import runpy
import sys
from pathlib import Path

from adapters.environment import load_settings
from adapters.locks import end_holder, try_hold
from adapters.services.paths import Paths
from adapters.services.ports import check_ports
from adapters.services.programs import PROJECT_ROOT, STOP_SECONDS, Program, ports, program
from adapters.settings import Settings
from loop.errors import SonoloopError

SUPERVISOR_LOCK_DESCRIPTOR = 3
"""supervisord closes what it inherits from 5 up, and 3 up in its children: at 3 the lock is its own alone."""


def launch(settings: Settings, name: str) -> None:
    """Run the service of that name in place of this program; returns when a service in Python has ended.

    Raises BadRequest where another program has its port: the supervisor tries again.
    """
    service = program(settings, name)
    paths = Paths(settings)
    paths.make_folders()
    take_place(paths.lock(name), STOP_SECONDS[name])
    check_ports([port for port in ports(settings) if port.service == name])
    os.umask(0o077)
    service.directory.mkdir(parents=True, exist_ok=True)
    os.chdir(service.directory)
    _become(service)


def launch_supervisor(settings: Settings) -> None:
    """Become the supervisor in a detached copy of this process; the original ends at once."""
    paths = Paths(settings)
    if os.fork():
        os._exit(0)
    handle = take_place(paths.supervisor_lock, 60)
    os.dup2(handle, SUPERVISOR_LOCK_DESCRIPTOR, inheritable=True)
    os.chdir(PROJECT_ROOT)
    command = [
        sys.executable,
        "-m",
        "adapters.services.overseer",
        str(settings.root),
        str(paths.configuration),
    ]
    os.execv(sys.executable, command)  # noqa: S606, no shell is the point


def take_place(lock: Path, stop_seconds: float) -> int:
    """Hold the lock, through `exec` too, ending whoever holds it now; returns its descriptor."""
    while (handle := try_hold(lock)) is None:
        end_holder(lock, stop_seconds)
    os.set_inheritable(handle, True)
    return handle


def _become(service: Program) -> None:
    """Our own services run in this interpreter, which has loaded half of their needs; others replace it."""
    os.environ.update(service.environment)
    if service.argv[:2] == (sys.executable, "-m"):
        sys.argv = list(service.argv[2:])
        runpy.run_module(service.argv[2], run_name="__main__", alter_sys=True)
    else:
        os.execvp(service.argv[0], service.argv)  # noqa: S606, no shell is the point


def main(arguments: list[str]) -> int:
    """`NAME` or `--supervisor`; the exit status of a refusal is 1, its reason goes to the service's log."""
    try:
        settings = load_settings()
        launch_supervisor(settings) if arguments == ["--supervisor"] else launch(settings, *arguments)
    except SonoloopError as exc:
        sys.stderr.write(f"{exc.message}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
