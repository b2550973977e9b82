"""A real HTTP server that speaks just enough of the ML backend's protocol, and remembers what it was told."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

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

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.answer(None)

        def do_POST(self) -> None:
            self.answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def answer(self, body: Any) -> None:
            stub.told.append(Told(self.path, dict(self.headers), body))
            time.sleep(stub.delay if self.path == "/webhook" else 0)
            known = self.path == "/webhook" or self.headers.get("Authorization") == expected
            said = json.dumps(
                {"status": "UP", "model_version": "p1-v0", "results": [], "versions": []}
            ).encode()
            self.send_response(200 if known else 401)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    stub.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield stub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
