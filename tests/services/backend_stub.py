"""A real HTTP server that speaks just enough of the ML backend's protocol, and remembers what it was told."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.services.stand_in import StandIn, standing_in

USER, PASSWORD = "label-studio", "backend-pass"


@dataclass(frozen=True)
class Told:
    """One request as received."""

    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class BackendStub:
    """`told` holds every request; answers of /predict are empty lists of regions, those of /webhook come
    after `delay` seconds.
    """

    url: str = ""
    told: list[Told] = field(default_factory=list)
    delay: float = 0.0

    def events(self) -> list[Told]:
        """What came to the webhook."""
        return [each for each in self.told if each.path == "/webhook"]


@contextmanager
def running_backend_stub(password: str = PASSWORD) -> Iterator[BackendStub]:
    """Listen on a free port of this machine until the end of the block."""
    stub = BackendStub()
    expected = "Basic " + base64.b64encode(f"{USER}:{password}".encode()).decode()

    class Handler(StandIn):
        def answer(self) -> None:
            body = json.loads(self.given()) if self.command == "POST" else None
            stub.told.append(Told(self.path, dict(self.headers), body))
            time.sleep(stub.delay if self.path == "/webhook" else 0)
            known = self.path == "/webhook" or self.headers.get("Authorization") == expected
            said = {"status": "UP", "model_version": "p1-v0", "results": [], "versions": []}
            self.say(200 if known else 401, json.dumps(said).encode())

    with standing_in(Handler) as stub.url:
        yield stub
