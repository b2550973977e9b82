"""Log lines as JSON on stderr: a constant event name with fields, ids and figures only, from our code and
from libraries.
"""

from __future__ import annotations

import logging
import sys
import threading
from types import TracebackType

import structlog
from structlog.typing import EventDict, Processor

QUIET = (
    "alembic",
    "celery.app.trace",
    "celery.beat",
    "celery.worker.request",
    "celery.worker.strategy",
    "httpx",
    "httpcore",
    "urllib3",
    "kombu",
    "amqp",
    "aiobotocore",
    "botocore",
    "s3fs",
    "fsspec",
    "matplotlib",
    "PIL",
)
"""Libraries whose chatter below a warning says nothing of ours."""


def configure_logging(level: str, service: str = "") -> None:
    """Send every record of this process, structlog's and the standard library's, to stderr as one JSON line
    each.

    `level` is debug, info, warning or error; `service` is added to each line. Raises ValueError for another
    level.
    """
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise ValueError(f"got log level {level!r}; need debug, info, warning or error")
    common: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *common,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_json_formatter(common, service))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(number)
    logging.captureWarnings(True)
    for name in QUIET:
        logging.getLogger(name).setLevel(max(number, logging.WARNING))


def log_uncaught() -> None:
    """Let what ends this process or one of its threads be a line too, instead of a bare traceback."""
    sys.excepthook = _log_uncaught
    threading.excepthook = lambda args: _log_uncaught(
        args.exc_type, args.exc_value or args.exc_type(), args.exc_traceback
    )


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    structlog.get_logger().critical("failed_unforeseen", exc_info=(kind, error, trace))


def _json_formatter(common: list[Processor], service: str) -> logging.Formatter:
    def add_service(_logger: object, _name: str, event: EventDict) -> EventDict:
        if service:
            event.setdefault("service", service)
        return event

    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*common, structlog.stdlib.add_logger_name],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            add_service,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(sort_keys=False),
        ],
    )
