"""The home's secrets: drawn once, kept in one file that only its owner may read."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path

from adapters.disk import write_private
from adapters.home_files import SECRETS_FILE, SETTINGS_FILE, read_env_file
from loop.errors import Denied

DRAW: dict[str, Callable[[], str]] = {
    "SONOLOOP_ADMIN_PASSWORD": lambda: secrets.token_urlsafe(12),
    "SONOLOOP_LABEL_STUDIO_TOKEN": lambda: secrets.token_hex(20),
    "SONOLOOP_BACKEND_PASSWORD": lambda: secrets.token_urlsafe(24),
    "SONOLOOP_WEBHOOK_SECRET": lambda: secrets.token_urlsafe(24),
    "SONOLOOP_SALT": lambda: secrets.token_hex(16),
    "LABEL_STUDIO_SECRET_KEY": lambda: secrets.token_urlsafe(48),
}
"""How each secret is drawn: passwords, Label Studio's token (40 hex) and session key, the salt of patient
ids.
"""
HEAD = "# Drawn by Sonoloop; keep it private, and in your backups."


def ensure_secrets(home: Path) -> Path:
    """Draw the secrets that the home does not hold yet and return the file; what is there is never changed,
    but that nobody else may read it, nor the settings beside it.

    Two callers at once end with one set. Raises Denied where the file belongs to somebody else.
    """
    path = home / SECRETS_FILE
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    is_first = not path.exists()  # asked once: a file that appears from now on is a faster caller's
    known = {} if is_first else read_env_file(path)
    missing = {name: draw() for name, draw in DRAW.items() if not known.get(name)}
    if missing:
        lines = [HEAD, *(f"{name}={value}" for name, value in (known | missing).items())]
        write_private(path, "\n".join(lines) + "\n", is_first=is_first)
    _close_to_others(path)
    if (home / SETTINGS_FILE).exists():  # an address in it may carry a password
        _close_to_others(home / SETTINGS_FILE)
    return path


def keep_secret(home: Path, name: str, value: str) -> None:
    """Put a secret in the place of the one that the home holds; the others stay. Raises OSError."""
    known = read_env_file(home / SECRETS_FILE) | {name: value}
    lines = [HEAD, *(f"{each}={text}" for each, text in known.items())]
    write_private(home / SECRETS_FILE, "\n".join(lines) + "\n", is_first=False)


def _close_to_others(path: Path) -> None:
    status = path.stat()
    if status.st_uid != os.getuid():
        raise Denied(
            f"{path.name} of user {status.st_uid}",
            "a home of your own",
            "choose another --home or its owner",
        )
    if status.st_mode & 0o077:
        path.chmod(0o600)
