"""Small HTTP servers on this machine that stand in for others, each by a handler of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


class StandIn(BaseHTTPRequestHandler):
    """To be given its `answer`, whatever the method; writes no log."""

    def answer(self) -> None:
        """One request, whole: `command`, `path`, `headers` and `given` say what was asked, `say` answers."""
        raise NotImplementedError

    def given(self) -> bytes:
        """The body of the request."""
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def say(self, status: int, body: bytes = b"", **headers: str) -> None:
        """The whole answer; underscores in the headers' names stand for hyphens."""
        self.send_response(status)
        for name, value in {**headers, "Content_Length": str(len(body))}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_GET(self) -> None:
        """What the library calls by the request's method."""
        self.answer()

    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_CONNECT = do_GET  # noqa: N815, the library's names

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@contextmanager
def standing_in(handler: type[StandIn]) -> Iterator[str]:
    """The address of a server with this handler, until the end of the block."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
