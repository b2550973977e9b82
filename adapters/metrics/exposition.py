"""The figures of a process as Prometheus reads them: a page for a server that runs anyway, or a small one."""

from __future__ import annotations

import hmac
import threading
from base64 import b64encode
from collections.abc import Callable, Iterable
from typing import Any

import structlog
from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from adapters.http_server import Limits, listen
from adapters.throttle import Throttle, TooMany

PATH = "/metrics"
LIMITS = Limits(threads=1, body_bytes=1 << 10, connections=20)

Answer = Callable[..., Any]

log = structlog.get_logger()


def page(registry: CollectorRegistry) -> tuple[bytes, str]:
    """The body and its content type."""
    return generate_latest(registry), CONTENT_TYPE_LATEST


def serve(registry: CollectorRegistry, host: str, port: int, user: str, password: str) -> None:
    """Answer GET /metrics with the figures, behind basic auth, until the process ends.

    A port that is taken costs the figures and nothing else: it is logged.
    """
    try:
        server = listen(guarded(registry, user, password), host, port, LIMITS)
    except OSError as exc:
        log.error("metrics_not_served", host=host, port=port, reason=exc.strerror)
        return
    threading.Thread(target=server.run, name="metrics", daemon=True).start()
    log.info("metrics_served", host=host, port=port)


def guarded(
    registry: CollectorRegistry, user: str, password: str, throttle: Throttle | None = None
) -> Callable[..., Iterable[bytes]]:
    """The WSGI app of that page; an empty password opens nothing, and who guesses is told to wait."""
    needed = b"Basic " + b64encode(f"{user}:{password}".encode())
    figures: Callable[..., Iterable[bytes]] = make_wsgi_app(registry)
    throttle = throttle or Throttle()

    def app(environ: dict[str, Any], start_response: Answer) -> Iterable[bytes]:
        given = str(environ.get("HTTP_AUTHORIZATION", "")).encode()
        address = str(environ.get("REMOTE_ADDR", ""))
        try:
            throttle.check(address)
            is_known = bool(password) and hmac.compare_digest(given, needed)
            throttle.trust(address) if is_known else throttle.note_refusal(address)
        except TooMany as refusal:
            start_response("429 Too Many Requests", [("Retry-After", str(refusal.seconds))])
            return [b""]
        if not is_known:
            start_response("401 Unauthorized", [("WWW-Authenticate", 'Basic realm="Sonoloop"')])
            return [b""]
        if environ.get("PATH_INFO") != PATH or environ.get("REQUEST_METHOD") != "GET":
            start_response("404 Not Found", [("Content-Type", "text/plain")])
            return [b""]
        return figures(environ, start_response)

    return app
