"""docker-compose.yml without Docker: each service's own command and environment as a plain process.

Docker Compose itself resolves the file. Then only places are exchanged: hosts and ports for those of this
test, the volumes' folders for temporary ones. What a container's image would add is read from its Dockerfile.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import yaml

from adapters.label_studio.server import INSIDE, PYTHON

ROOT = Path(__file__).resolve().parents[2]
Service = Mapping[str, Any]
HEALTH_SECONDS = 60.0


def resolved(compose: Path, env_file: Path, *profiles: str) -> dict[str, Any]:
    """docker-compose.yml with every variable filled in, as Docker Compose reads it."""
    options = [word for profile in profiles for word in ("--profile", profile)]
    done = subprocess.run(
        [str(compose), "--env-file", str(env_file), *options, "config"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    config: dict[str, Any] = yaml.safe_load(done.stdout)
    return config


@dataclass
class Stand:
    """The services of one resolved file. What to put in place of what stands there: of an address anywhere in
    a value (`addresses`), of a whole value or word (`words`; `SERVICE WORD` for one service alone). `path`:
    where programs are found.
    """

    config: Mapping[str, Any]
    addresses: Mapping[str, str]
    words: Mapping[str, str]
    path: str
    folder: Path
    log: IO[bytes]
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def environment(self, name: str) -> dict[str, str]:
        """What the image and the file give to the service, and what the machine is: the way to programs, a
        folder for what is passing, and one core, since other tests run beside.
        """
        service = self.service(name)
        image = dockerfile(service)
        given = {**image.environment, **(service.get("environment") or {})}
        found = {key: self.moved(name, str(value)) for key, value in given.items() if key != "PATH"}
        machine = {"PATH": self.path, "LANG": "C.UTF-8", "TMPDIR": str(self.folder)}
        machine |= {"SONOLOOP_THREADS": "1", "SONOLOOP_TRAINING_NICENESS": "0"}
        return machine | found

    def command(self, name: str, *words: str) -> list[str]:
        """The service's command line; `words` in place of its command."""
        service = self.service(name)
        command = list(words or service.get("command") or dockerfile(service).command)
        return self.in_place(name, [*(service.get("entrypoint") or []), *command])

    def start(self, name: str, *more: str, directory: Path = ROOT) -> None:
        """Start a service that stays, `more` words behind its own command."""
        self.running[name] = subprocess.Popen(
            [*self.command(name), *more],
            cwd=directory,
            env=self.environment(name),
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=self.log,
        )

    def is_healthy(self, name: str) -> bool:
        """What the service's own health check says."""
        process = self.running[name]
        assert process.poll() is None, f"{name} ended with {process.returncode}"
        kind, *words = self.service(name)["healthcheck"]["test"]
        assert kind == "CMD"
        check = subprocess.run(
            self.in_place(name, words),
            cwd=ROOT,
            env=self.environment(name),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=HEALTH_SECONDS,
            check=False,
        )
        return check.returncode == 0

    def run(self, name: str, *words: str) -> str:
        """Run a service that ends, and return what it printed."""
        done = subprocess.run(
            self.command(name, *words),
            cwd=ROOT,
            env=self.environment(name),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout

    def end(self) -> None:
        for process in reversed(self.running.values()):
            process.terminate()
        for process in self.running.values():
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def service(self, name: str) -> Service:
        found: Service = self.config["services"][name]
        return found

    def in_place(self, name: str, words: Sequence[str]) -> list[str]:
        python = str(PYTHON) if name == "label-studio" else sys.executable
        return [python if word == "python" else self.moved(name, word) for word in words]

    def moved(self, name: str, text: str) -> str:
        for word in (f"{name} {text}", text):
            if word in self.words:
                return self.words[word]
        known = "|".join(map(re.escape, sorted(self.addresses, key=len, reverse=True)))
        return re.sub(known, lambda found: self.addresses[found[0]], text)


@dataclass(frozen=True)
class Image:
    """What a Dockerfile says of a running container."""

    command: tuple[str, ...]
    environment: Mapping[str, str]


def dockerfile(service: Service) -> Image:
    """The image that a service builds; an empty one for those that are pulled."""
    if "build" not in service:
        return Image((), {})
    text = (ROOT / service["build"]["dockerfile"]).read_text()
    command = re.search(r"^CMD (\[.*\])$", text, re.MULTILINE)
    pairs = [pair for line in re.findall(r"^ENV (.*)$", text, re.MULTILINE) for pair in line.split()]
    environment = {pair.partition("=")[0]: pair.partition("=")[2] for pair in pairs}
    places = {"/sonoloop": str(INSIDE), "/app": str(ROOT)}
    moved = {name: places.get(value, value) for name, value in environment.items()}
    return Image(tuple(json.loads(command[1])) if command else (), moved)
