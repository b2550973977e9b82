"""A real server on a port of its own, over a home whose champion is a small real network."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import torch

from adapters.bootstrap import Container, build
from adapters.http_server import listen
from adapters.settings import Settings
from loop.records import ModelVersion
from loop.serving import put_into_service
from ml_backend.access import access_of
from ml_backend.app import create_app
from ml_backend.champions import Champions
from ml_backend.model import DrawingPorts
from ml_backend.server import LIMITS
from tests.services.homes import NOW, make_home, make_settings
from trainer.networks import build_network
from trainer.weights import describe, save_weights

NETWORK = "mobilenetv2-unet"
FRAMES, HELD_OUT = 6, 2


@dataclass
class Backend:
    """The running server and what stands behind it."""

    container: Container
    champions: Champions
    client: httpx.Client

    @property
    def auth(self) -> tuple[str, str]:
        settings = self.container.settings
        return settings.backend_user, settings.backend_password.get_secret_value()

    @property
    def secret(self) -> dict[str, str]:
        return {"X-Sonoloop-Secret": self.container.settings.webhook_secret.get_secret_value()}


def add_champion(container: Container, folder: Path, seed: int) -> ModelVersion:
    """Put a network of random weights into service."""
    torch.manual_seed(seed)
    path = folder / f"{seed}.safetensors"
    digest = save_weights(path, build_network(NETWORK, 1), describe(NETWORK, ("vein",), 64))
    container.storage.put("models", digest, path.read_bytes())
    with container.database.write() as uow:
        version = uow.models.add(
            1,
            digest=digest,
            round_id=None,
            origin="scratch",
            config={"network": NETWORK},
            metrics={},
            now=NOW,
        )
        put_into_service(uow, 1, version.id, NOW)
        uow.commit()
    return version


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Redis is away in all of these tests: a webhook must not notice."""
    folder = tmp_path_factory.mktemp("backend")
    made = make_settings(folder, redis_url=f"redis+socket://{folder}/none.sock")
    make_home(made, frames=FRAMES, held_out=HELD_OUT)
    return made


@contextmanager
def serve(settings: Settings) -> Iterator[Backend]:
    container = build(settings)
    ports = DrawingPorts(container.database, container.storage, container.images, container.codec)
    champions = Champions(container.database, container.segmenters, ports)
    access = access_of(settings)
    app = create_app(container, champions, access)
    server = listen(app, "127.0.0.1", 0, LIMITS, access.body_limit)
    threading.Thread(target=_run, args=(server.run,), daemon=True).start()
    with httpx.Client(
        base_url=f"http://127.0.0.1:{server.effective_port}", timeout=60, trust_env=False
    ) as client:
        yield Backend(container, champions, client)
    server.close()
    container.close()


def _run(loop: Callable[[], None]) -> None:
    with suppress(OSError):  # closing its sockets under it is the only way to end a waitress from outside
        loop()


@pytest.fixture
def backend(settings: Settings) -> Iterator[Backend]:
    with serve(settings) as running:
        yield running
