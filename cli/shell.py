"""The outermost shell of the command: where errors become sentences and exit codes."""

from __future__ import annotations

import sys
from collections.abc import Callable

from rich.console import Console
from rich.markup import escape

from loop.errors import SonoloopError

console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)

FAILED, INTERRUPTED = 1, 130


def run_guarded(command: Callable[[], object]) -> None:
    """Run a command; our own errors end it with one sentence and exit code 1, Ctrl-C with 130 and what stays running."""
    try:
        command()
    except SonoloopError as error:
        errors.print(f"[bold red]error[/] {escape(error.message)}")
        sys.exit(FAILED)
    except KeyboardInterrupt:
        errors.print(
            "\nstopped; nothing is lost. The same command goes on where it was; `./sonoloop down` ends the services."
        )
        sys.exit(INTERRUPTED)
