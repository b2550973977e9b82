"""`sonoloop logs`: the ends of the services' logs, one after the other or followed."""

from __future__ import annotations

import time
from collections import deque
from pathlib import Path

from rich.markup import escape

from adapters.services.control import log_path, status
from adapters.settings import load_settings
from cli.shell import console

LOOK_SECONDS = 0.5


def show_logs(home: Path | None, service: str, lines: int, follow: bool) -> None:
    """Print the last lines of one service's log, or of all. Raises NotFound for an unknown service."""
    settings = load_settings(home)
    names = [service] if service else [each.name for each in status(settings)]
    paths = {name: log_path(settings, name) for name in names}
    positions = {name: _print_end(name, path, lines, len(paths) > 1) for name, path in paths.items()}
    while follow:
        time.sleep(LOOK_SECONDS)
        for name, path in paths.items():
            positions[name] = _print_new(name, path, positions[name], len(paths) > 1)


def _print_end(name: str, path: Path, lines: int, has_name: bool) -> int:
    if not path.exists():
        console.print(f"[dim]{name}: nothing logged yet[/]")
        return 0
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in deque(file, maxlen=lines):
            _print_line(name, line, has_name)
        return file.tell()


def _print_new(name: str, path: Path, position: int, has_name: bool) -> int:
    if not path.exists():
        return 0
    with path.open(encoding="utf-8", errors="replace") as file:
        is_rotated = path.stat().st_size < position
        file.seek(0 if is_rotated else position)
        for line in iter(file.readline, ""):
            _print_line(name, line, has_name)
        return file.tell()


def _print_line(name: str, line: str, has_name: bool) -> None:
    prefix = f"[cyan]{name:<14}[/] " if has_name else ""
    console.print(prefix + escape(line.rstrip("\n")), soft_wrap=True)
