"""The env file of a deployment: its secrets drawn where none stand, all else left as it is."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from pathlib import Path

from adapters.disk import write_private
from loop.errors import Denied, NotFound

DRAW: dict[str, Callable[[], str]] = {
    "SONOLOOP_ADMIN_PASSWORD": lambda: secrets.token_hex(8),
    "SONOLOOP_LABEL_STUDIO_TOKEN": lambda: secrets.token_hex(20),
    "LABEL_STUDIO_SECRET_KEY": lambda: secrets.token_hex(32),
    "SONOLOOP_SALT": lambda: secrets.token_hex(16),
    "SONOLOOP_BACKEND_PASSWORD": lambda: secrets.token_hex(24),
    "SONOLOOP_WEBHOOK_SECRET": lambda: secrets.token_hex(24),
    "POSTGRES_PASSWORD": lambda: secrets.token_hex(24),
    "LABEL_STUDIO_DATABASE_PASSWORD": lambda: secrets.token_hex(24),
    "VALKEY_PASSWORD": lambda: secrets.token_hex(24),
    "S3_ACCESS_KEY": lambda: secrets.token_hex(10),
    "S3_SECRET_KEY": lambda: secrets.token_hex(24),
    "MONITORING_PASSWORD": lambda: secrets.token_hex(12),
}
"""How each secret of docker-compose.yml is drawn: hexadecimal, since some become part of an address."""

_LINE = re.compile(r"^(?P<name>[A-Z0-9_]+)=(?P<value>.*)$")


def fill_env_file(path: Path, example: Path) -> list[str]:
    """Write the file from the example, or complete the one that is there; gives the names that were drawn.

    A value that stands is never changed; a variable that only the example has is added with its explanation.
    The file is its owner's alone. Raises Denied where it may not be written, NotFound without an example.
    """
    if not example.is_file():
        raise NotFound("no example of the env file", "deploy/sonoloop.env.example", "run it in a checkout")
    try:
        is_first = not path.exists()
        lines = [] if is_first else path.read_text(encoding="utf-8").splitlines()
        filled, drawn = _filled(_completed(lines, example.read_text(encoding="utf-8").splitlines()))
        path.parent.mkdir(parents=True, exist_ok=True)
        is_written = write_private(path, "\n".join(filled) + "\n", is_first=is_first)
    except OSError as error:
        raise Denied(
            f"an env file that cannot be written ({error.strerror})",
            "a folder and a file of your own",
            "name another FILE, or mend the permissions",
        ) from error
    return drawn if is_written else fill_env_file(path, example)


def _completed(lines: list[str], example: list[str]) -> list[str]:
    """The lines, and behind them what the example has more, each variable below its explanation."""
    known = {found["name"] for line in lines if (found := _LINE.match(line.strip()))}
    added: list[str] = []
    block: list[str] = []
    for line in example:
        found = _LINE.match(line)
        if found is None:
            block = [*block, line] if line else []
        elif found["name"] not in known:
            added += [*([""] if block and (lines or added) else []), *block, line]
            block = []
    return [*lines, *added]


def _filled(lines: list[str]) -> tuple[list[str], list[str]]:
    filled, drawn = [], []
    for line in lines:
        found = _LINE.match(line.strip())
        if found and not found["value"].strip() and found["name"] in DRAW:
            drawn.append(found["name"])
            filled.append(f"{found['name']}={DRAW[found['name']]()}")
        else:
            filled.append(line)
    return filled, drawn
