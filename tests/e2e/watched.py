"""`python -m tests.e2e.watched FRAMES`: a whole home at work, watched from outside; prints what was seen.

Where the system allows it runs in a network of its own that has a loopback address and nothing else: there
the kernel counts every packet that would have left, however short-lived its sender was.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil

from adapters.brush import SdkBrushCodec
from adapters.home_files import SECRETS_FILE, read_env_file
from adapters.label_studio.users import SIGN_UP, ensure_reader
from adapters.locks import holder
from adapters.services.paths import Paths
from adapters.services.programs import STOP_SECONDS
from loop.records import Project
from loop.regions import mask_to_result
from loop.training_records import RoundState
from tests.e2e.homes import Home, running_home
from tests.machine import wait_until

ROOT = Path(__file__).resolve().parents[2]
LOOK_SECONDS = 0.1
SET_FLAGS, UP_AND_RUNNING = 0x8914, 0x41
READER_PASSWORD = "Reader-pass-of-the-watched-home"
LABELS = 3
COMMANDS = (
    *(
        ["status"],
        ["logs", "--lines", "1000"],
        ["doctor"],
        ["review"],
        ["user", "list"],
        ["label", "deleted"],
    ),
    ["up"],  # the first one, which made the home, is the one that prints the password
)


@dataclass
class Seen:
    """`unrouted`: packets that wanted out, or None where the network was not sealed; `remote`: addresses of
    other machines; `listening`: service and address; `told`: where a secret could be read, by its name.
    """

    unrouted: int | None = None
    remote: set[str] = field(default_factory=set)
    listening: set[str] = field(default_factory=set)
    told: set[str] = field(default_factory=set)
    modes: dict[str, str] = field(default_factory=dict)
    programs: set[str] = field(default_factory=set)
    looks: int = 0
    states: list[str] = field(default_factory=list)


def main(frames: Path, is_sealed: bool) -> None:
    """Run the home, then print what was seen as one line of JSON."""
    seen = Seen()
    os.umask(0o077)  # as the command does, for what the test makes in the home before it runs
    if is_sealed:
        _raise_loopback()
        before = _unrouted()
    with running_home(frames) as home, _watching(home, seen):
        secrets = _secrets(home)
        seen.states = _work(home)
        said = [_say(home, *words) for words in COMMANDS]
        assert "up --show-login prints the link" in said[-1], said[-1]
        outputs = {f"output {n}": text for n, text in enumerate(said)}
        _look_for({**secrets, "INVITATION": SIGN_UP}, outputs, seen)
        _look_for(secrets, _files(home), seen)
        seen.modes = _modes(home)
    if is_sealed:
        seen.unrouted = _unrouted() - before
    found = {name: sorted(value) if isinstance(value, set) else value for name, value in asdict(seen).items()}
    sys.stdout.write(json.dumps(found) + "\n")


def _work(home: Home) -> list[str]:
    """What a department does in a day: log in, look, label, send a forged event, train, cancel."""
    url, states = home.settings.effective_label_studio_url, []
    httpx.get(f"{url}/user/login/", trust_env=False)  # the page for which Label Studio asks GitHub for tips
    httpx.post(f"{home.settings.effective_backend_url}/webhook", json={"action": "x"}, trust_env=False)
    with home.container.database.read() as uow:
        (project,) = uow.projects.list()
    _label(home, project)
    _say(home, "round")

    def has_begun() -> bool:
        with home.container.database.read() as uow:
            states.append(uow.rounds.list(project.id)[-1].state.value)
        return states[-1] != RoundState.PLANNED

    wait_until(has_begun, "the round begins", 90)
    _say(home, "cancel")
    return states


def _label(home: Home, project: Project) -> None:
    codec = SdkBrushCodec()
    with ensure_reader(home.container.label_studio_api, "reader@watched.org", READER_PASSWORD) as reader:
        for _ in range(LABELS):
            task = reader.next_task(project.label_studio_id or 0)
            assert task is not None
            reader.fetch(str(task.data["image"]))
            with home.container.database.read() as uow:
                frame = uow.frames.find_by_task(task.id)
            assert frame is not None
            mask = np.zeros((1, frame.height, frame.width), dtype=np.bool_)
            mask[:, 40:70, 50:90] = True
            parent = task.shown.id if task.shown else None
            reader.submit(task.id, mask_to_result(mask, project.classes, codec, "watched"), 9.0, parent)

    def are_mirrored() -> bool:
        with home.container.database.read() as uow:
            return len(uow.masks.latest_of_all(project.id)) >= LABELS

    wait_until(are_mirrored, "the labels arrive", 60)


@contextmanager
def _watching(home: Home, seen: Seen) -> Iterator[None]:
    stop = threading.Event()
    secrets = _secrets(home)

    def watch() -> None:
        while not stop.wait(LOOK_SECONDS):
            seen.looks += 1
            for process in _processes(home):
                with suppress(psutil.Error):
                    _look_at(process, secrets, seen)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(10)


def _processes(home: Home) -> Iterator[psutil.Process]:
    """The services with all that they started."""
    paths = Paths(home.settings)
    for lock in (paths.supervisor_lock, *map(paths.lock, STOP_SECONDS)):
        with suppress(psutil.Error, TypeError):
            process = psutil.Process(holder(lock))
            yield process
            yield from process.children(recursive=True)


def _look_at(process: psutil.Process, secrets: Mapping[str, str], seen: Seen) -> None:
    words = process.cmdline()
    name = " ".join(Path(word).name for word in words[:4])
    seen.programs.add(name)
    _look_for(secrets, {f"command line of {name}": " ".join(words)}, seen)
    connections: list[Any] = process.net_connections(kind="inet")
    for each in connections:
        if each.status == psutil.CONN_LISTEN:
            seen.listening.add(f"{each.laddr.ip}:{each.laddr.port}")
        if each.raddr and not ip_address(each.raddr.ip).is_loopback:
            seen.remote.add(each.raddr.ip)


def _secrets(home: Home) -> dict[str, str]:
    return {**read_env_file(home.settings.root / SECRETS_FILE), "READER_PASSWORD": READER_PASSWORD}


def _look_for(secrets: Mapping[str, str], texts: Mapping[str, str], seen: Seen) -> None:
    seen.told |= {f"{name} in {where}" for where, text in texts.items() for name in _found(secrets, text)}


def _found(secrets: Mapping[str, str], text: str) -> list[str]:
    return [name for name, value in secrets.items() if value and value in text]


def _files(home: Home) -> dict[str, str]:
    """What the home wrote for people to read, and what a supervisor reads."""
    folders = [home.settings.root / name for name in ("logs", "run")]
    paths = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    paths += [home.settings.root / "sonoloop.env"]
    return {path.name: path.read_text(errors="replace") for path in paths if path.exists()}


def _modes(home: Home) -> dict[str, str]:
    """Permissions of what holds secrets or frames."""
    root = home.settings.root
    folders = ["run", "logs", "db", "label-studio", "frames", "masks", "models", "redis"]
    names = [SECRETS_FILE, "sonoloop.env", "run/supervisord.conf", "logs/backend.log", *folders]
    found = {name: root / name for name in names} | {"sockets": home.settings.socket_dir}
    return {name: oct(path.stat().st_mode & 0o777) for name, path in found.items()}


def _say(home: Home, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "cli", *words, "--home", str(home.settings.root)],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=120,
    )
    return done.stdout


def attempt() -> None:
    """What the watch must see: a connection, a datagram and a question for a name, none of which may work."""
    _raise_loopback()
    for call in (
        lambda: socket.create_connection(("192.0.2.1", 443), timeout=1),
        lambda: socket.getaddrinfo("example.org", 443),
    ):
        with suppress(OSError):
            call()
    sys.stdout.write(f"{_unrouted()}\n")


def _raise_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        fcntl.ioctl(handle, SET_FLAGS, struct.pack("16sH14x", b"lo", UP_AND_RUNNING))


def _unrouted() -> int:
    """How many packets found no way out of this network since it was made."""
    lines = [line.split() for line in Path("/proc/self/net/snmp").read_text().splitlines()]
    heads, figures = [line for line in lines if line[0] == "Ip:"]
    six = dict(line.split() for line in Path("/proc/self/net/snmp6").read_text().splitlines())
    return int(figures[heads.index("OutNoRoutes")]) + int(six.get("Ip6OutNoRoutes", 0))


if __name__ == "__main__":
    attempt() if sys.argv[1:] == ["--attempt"] else main(Path(sys.argv[1]), "--sealed" in sys.argv)
