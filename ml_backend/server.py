"""The production server: the models are loaded before the port opens, so that nobody can ask too early."""

from __future__ import annotations

import signal
import sys
import threading
from typing import Any, NoReturn

import structlog
from flask import Flask
from waitress.server import create_server

from adapters.bootstrap import Container
from ml_backend.app import MAX_BODY_BYTES, create_app
from ml_backend.champions import Champions
from ml_backend.model import DrawingPorts

THREADS = 16
HEADER_BYTES = 16 << 10
IDLE_SECONDS = 30
"""How long a connection may stay silent before it is closed; one whose answer is being made is left alone."""
CLEANUP_SECONDS = 10
CONNECTIONS = 200

log = structlog.get_logger()


def serve(container: Container) -> None:
    """Serve until SIGTERM or Ctrl-C."""
    settings = container.settings
    ports = DrawingPorts(container.database, container.storage, container.images, container.codec)
    champions = Champions(container.database, container.segmenters, ports)
    container.codec.warm_up()
    champions.look()
    server = listen(create_app(container, champions), settings.host, settings.backend_port)
    signal.signal(signal.SIGTERM, _leave)
    stop = threading.Event()
    champions.follow(stop)
    log.info("backend_ready", host=settings.host, port=settings.backend_port)
    try:
        server.run()
    finally:
        stop.set()
        server.close()
        log.info("backend_stopped")


def listen(app: Flask, host: str, port: int, idle_seconds: int = IDLE_SECONDS) -> Any:
    """The server on its port, not yet running, with limits on what strangers may make it hold."""
    return create_server(
        app,
        host=host,
        port=port,
        threads=THREADS,
        ident="sonoloop",
        max_request_body_size=MAX_BODY_BYTES,
        max_request_header_size=HEADER_BYTES,
        connection_limit=CONNECTIONS,
        channel_timeout=idle_seconds,
        cleanup_interval=min(CLEANUP_SECONDS, idle_seconds),
        expose_tracebacks=False,
    )


def _leave(*_: object) -> NoReturn:
    sys.exit(0)
