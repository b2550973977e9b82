"""The two files of a home that hold variables: its settings and its secrets."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

PREFIX = "SONOLOOP_"
SETTINGS_FILE, SECRETS_FILE = "sonoloop.env", "secrets.env"


def variable_name(setting: str) -> str:
    """The environment variable of a setting."""
    return f"{PREFIX}{setting.upper()}"


def remember_settings(root: Path, values: Mapping[str, object]) -> None:
    """Keep settings in the home's `sonoloop.env`, where later commands find them; its other lines stay."""
    path = root / SETTINGS_FILE
    ours = {variable_name(name): value for name, value in values.items()}
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    lines = [line for line in lines if line.split("=", 1)[0].strip() not in ours]
    lines += [f"{name}={value}" for name, value in ours.items()]
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_text("\n".join(lines) + "\n", encoding="utf-8")
    draft.replace(path)


def read_env_file(path: Path) -> dict[str, str]:
    """`NAME=value` lines of a file; comments and blank lines are passed over; a missing file is empty."""
    if not path.exists():
        return {}
    lines = (line.strip() for line in path.read_text(encoding="utf-8", errors="replace").splitlines())
    pairs = (line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    return {key.strip(): value.strip() for key, value in pairs}
