"""`python -m ml_backend`: the server that Label Studio calls."""

from __future__ import annotations

import sys
from contextlib import closing

import structlog

from adapters.bootstrap import build
from adapters.environment import load_settings
from adapters.logging import configure_logging, log_uncaught
from loop.errors import SonoloopError

log = structlog.get_logger()


def main() -> int:
    """Serve until SIGTERM or Ctrl-C; 1 for a setting that cannot work."""
    configure_logging("info", "backend")  # for what the settings may be refused for
    log_uncaught()
    try:
        settings = load_settings()
        configure_logging(settings.log_level, "backend")
        with closing(build(settings)) as container:
            with container.database.read():
                pass  # a wrong address is refused before seconds are spent on loading torch
            from ml_backend.server import serve

            serve(container)
    except SonoloopError as exc:
        log.error("backend_refused", reason=exc.message)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
