"""The production server: the models are loaded before the port opens, so that nobody can ask too early."""

from __future__ import annotations

import signal
import sys
import threading
from contextlib import suppress
from typing import NoReturn

import structlog

from adapters.bootstrap import Container
from adapters.http_server import Limits, listen
from loop.errors import Unavailable
from ml_backend.access import MAX_BODY_BYTES, access_of
from ml_backend.app import create_app
from ml_backend.champions import Champions
from ml_backend.model import DrawingPorts

LIMITS = Limits(threads=16, body_bytes=MAX_BODY_BYTES, connections=200)

SETTLED_SECONDS = 20.0
"""After so long nobody waits for the start any more, and few readers are at work yet."""

log = structlog.get_logger()


def serve(container: Container) -> None:
    """Serve until SIGTERM or Ctrl-C."""
    settings = container.settings
    ports = DrawingPorts(container.database, container.storage, container.images, container.codec)
    champions = Champions(container.database, container.segmenters, ports)
    container.codec.warm_up()
    champions.look()
    access = access_of(settings)
    app = create_app(container, champions, access)
    server = listen(app, settings.backend_host, settings.backend_port, LIMITS, access.body_limit)
    signal.signal(signal.SIGTERM, _leave)
    stop = threading.Event()
    champions.follow(stop)
    warming_up = threading.Timer(SETTLED_SECONDS, warm_up, [container])
    warming_up.daemon = True
    warming_up.start()
    log.info("backend_ready", host=settings.backend_host, port=settings.backend_port)
    try:
        server.run()
    finally:
        stop.set()
        warming_up.cancel()
        server.close()
        log.info("backend_stopped")


def warm_up(container: Container) -> None:
    """Do beforehand what would keep webhooks waiting later: log in to the database for every thread, and
    import what the first model needs.
    """
    with suppress(Unavailable):  # what cannot be opened now is opened when it is needed
        container.database.open_connections(LIMITS.threads)
    container.segmenters.warm_up()


def _leave(*_: object) -> NoReturn:
    sys.exit(0)
