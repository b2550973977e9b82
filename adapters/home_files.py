"""The two files of a home that hold variables: its settings and its secrets."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

PREFIX = "SONOLOOP_"
SETTINGS_FILE, SECRETS_FILE = "sonoloop.env", "secrets.env"


def variable_name(setting: str) -> str:
    """The environment variable of a setting."""
    return f"{PREFIX}{setting.upper()}"


def remember_settings(root: Path, values: Mapping[str, object]) -> None:
    """Keep settings in the home's `sonoloop.env`, where later commands find them; its other lines stay."""
    lines = [f"{variable_name(name)}={value}" for name, value in values.items()]
    _write_lines(root / SETTINGS_FILE, [*_lines_without(root, values), *lines])


def forget_settings(root: Path, names: Iterable[str]) -> None:
    """Take settings out of the home's `sonoloop.env`; its other lines stay."""
    _write_lines(root / SETTINGS_FILE, _lines_without(root, names))


def _lines_without(root: Path, names: Iterable[str]) -> list[str]:
    path, variables = root / SETTINGS_FILE, {variable_name(name) for name in names}
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [line for line in lines if line.split("=", 1)[0].strip() not in variables]


def _write_lines(path: Path, lines: Sequence[str]) -> None:
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    draft.replace(path)


def read_env_file(path: Path) -> dict[str, str]:
    """`NAME=value` lines of a file; comments and blank lines are passed over; a missing file is empty."""
    if not path.exists():
        return {}
    lines = (line.strip() for line in path.read_text(encoding="utf-8", errors="replace").splitlines())
    pairs = (line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    return {key.strip(): value.strip() for key, value in pairs}
