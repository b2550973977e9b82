"""Stopped homes for the doctor, and what it finds there."""

from __future__ import annotations

from pathlib import Path

from adapters.environment import load_settings
from adapters.home_files import remember_settings
from adapters.services.secrets import ensure_secrets
from adapters.settings import Settings
from cli.doctor.findings import State
from cli.doctor.installation import read_installation
from cli.doctor.show import Line, lines_on
from tests.machine import free_port
from tests.services.homes import make_home


def made_home(root: Path, **chosen: object) -> Settings:
    ensure_secrets(root)
    root.chmod(0o700)
    ports = {"label_studio_port": free_port(), "backend_port": free_port()}
    remember_settings(root, {"threads": 1, **ports, **chosen})
    make_home(load_settings(root), frames=4, held_out=1)
    return load_settings(root)


def found(home: Settings) -> dict[str, Line]:
    return {line.check: line for line in lines_on(read_installation(home.root))}


def failing(home: Settings, name: str) -> str:
    """What the check of that name says, which has to fail."""
    finding = found(home)[name]
    assert finding.state is State.FAIL, finding
    assert finding.need or finding.todo
    return f"{finding.got} {finding.todo}"
