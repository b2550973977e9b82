"""What a command makes is for its owner alone, whatever the person's shell would allow."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.services.secrets import ensure_secrets
from cli import app as commands


@pytest.fixture(autouse=True)
def open_shell() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def test_files_of_a_command_are_closed_to_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "app", lambda **_: (tmp_path / "frame.png").write_bytes(b""))
    commands.main()
    assert stat.S_IMODE((tmp_path / "frame.png").stat().st_mode) == 0o600


def test_a_new_home_is_closed_to_others(tmp_path: Path) -> None:
    ensure_secrets(tmp_path / "home")
    assert stat.S_IMODE((tmp_path / "home").stat().st_mode) == 0o700
