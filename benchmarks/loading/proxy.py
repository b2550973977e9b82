"""Stands between Label Studio and the ML backend and notes how long each webhook took, as a process:
`python -m benchmarks.loading.proxy PORT BACKEND_PORT FILE`.

What it notes is what Label Studio waits for, less one hop on this machine.
"""

from __future__ import annotations

import http.client
import sys
import threading
import time
from http.server import ThreadingHTTPServer
from typing import TextIO

from tests.services.stand_in import StandIn

HOST = "127.0.0.1"
NOT_PASSED_ON = {"host", "connection", "content-length", "transfer-encoding"}


def handler(backend_port: int, notes: TextIO) -> type[StandIn]:
    """Passes each request on and writes `<seconds since 1970> <ms>` a webhook."""
    writing = threading.Lock()

    class Handler(StandIn):
        def answer(self) -> None:
            body = self.given()
            headers = {
                name: value for name, value in self.headers.items() if name.lower() not in NOT_PASSED_ON
            }
            begun = time.perf_counter()
            backend = http.client.HTTPConnection(HOST, backend_port, timeout=120)
            try:
                backend.request(self.command, self.path, body, headers)
                answer = backend.getresponse()
                said = answer.read()
            except OSError:
                self.send_error(502)
                return
            finally:
                backend.close()
            if self.path == "/webhook":
                with writing:
                    notes.write(f"{time.time():.3f} {1000 * (time.perf_counter() - begun):.3f}\n")
            self.say(answer.status, said, Content_Type=answer.headers.get("Content-Type", "application/json"))

    return Handler


def main(arguments: list[str]) -> None:
    """Serve until the process is ended."""
    port, backend_port, path = int(arguments[0]), int(arguments[1]), arguments[2]
    with open(path, "a", buffering=1, encoding="ascii") as notes:  # noqa: PTH123, line by line
        ThreadingHTTPServer((HOST, port), handler(backend_port, notes)).serve_forever()


if __name__ == "__main__":
    main(sys.argv[1:])
