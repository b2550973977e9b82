"""`backup` and `restore` as real processes: beside one another, ended and killed."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from adapters.formats.archive import Archive
from adapters.settings import Settings
from cli.unfinished import PREFIX
from tests.integration.test_backup import made_home
from tests.services.commands import ended, start_command, wait_while_it_runs

LARGE = 200 << 20
"""Bytes of an upload that is copied for long enough to be met at it."""


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    settings = made_home(tmp_path / "home")
    with (settings.root / "label-studio" / "media" / "large").open("wb") as file:
        file.truncate(LARGE)
    return settings


@pytest.fixture
def target(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def archives(folder: Path) -> list[Path]:
    """Those that are being written."""
    return list(folder.glob(f"{PREFIX}*/backup.tar"))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_of_two_backups_to_one_file_the_faster_stands_and_the_other_says_so(
    home: Settings, target: Path
) -> None:
    file = target / "b.tar"
    first = start_command("backup", file, "--home", home.root)
    wait_while_it_runs(first, lambda: bool(archives(target)))
    first.send_signal(signal.SIGSTOP)
    second = start_command("backup", file, "--home", home.root)
    assert ended(second)[0] == 0
    before = file.stat()
    first.send_signal(signal.SIGCONT)
    code, out, errors = ended(first)
    assert (code, out) == (1, "")
    assert "which is there by now" in errors
    assert (file.stat().st_ino, file.stat().st_size) == (before.st_ino, before.st_size)
    assert Archive.open(file).size > LARGE
    assert names(target) == ["b.tar"]


def test_a_backup_stays_whole_where_another_to_its_file_is_killed(home: Settings, target: Path) -> None:
    file = target / "b.tar"
    first = start_command("backup", file, "--home", home.root)
    wait_while_it_runs(first, lambda: len(archives(target)) == 1)
    first.send_signal(signal.SIGSTOP)
    second = start_command("backup", file, "--home", home.root)
    wait_while_it_runs(second, lambda: len(archives(target)) == 2)
    second.kill()
    ended(second)
    first.send_signal(signal.SIGCONT)
    assert ended(first)[0] == 0
    assert Archive.open(file).size > LARGE
