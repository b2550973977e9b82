"""`sonoloop logs` and `down`: what a person does with the services' processes, whatever their state."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from adapters.environment import load_settings
from adapters.services.control import log_path, stop
from adapters.services.programs import service_names
from cli.home import find_home
from cli.markup import escape
from cli.shell import console, say
from cli.tail import Tail

LOOK_SECONDS = 0.5


def show_logs(home: Path | None, service: str, lines: int, follow: bool) -> None:
    """Print the last lines of one service's log, or of all; with `follow`, the new ones until Ctrl-C.

    Raises NotFound for an unknown service or a folder without a home.
    """
    settings = find_home(home)
    names = [service] if service else service_names(settings)
    tails = {name: Tail(log_path(settings, name)) for name in names}
    for name, tail in tails.items():
        _print(name, tail.last(lines) or ["nothing logged yet"], len(tails) > 1)
    if follow:
        with suppress(KeyboardInterrupt):
            _follow(tails)


def take_down(home: Path | None) -> None:
    """Stop every service of the home and say whether any ran."""
    settings = load_settings(home)
    with console.status("stopping the services"):
        stopped = stop(settings)
    say(console, "stopped; all data stay" if stopped else f"nothing was running in {settings.root}")


def _follow(tails: Mapping[str, Tail]) -> None:
    while True:
        time.sleep(LOOK_SECONDS)
        for name, tail in tails.items():
            _print(name, tail.fresh(), len(tails) > 1)


def _print(name: str, lines: Sequence[str], has_name: bool) -> None:
    for line in lines:
        say(console, (f"[cyan]{name:<14}[/] " if has_name else "") + escape(line))
