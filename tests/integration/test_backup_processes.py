"""`backup` and `restore` as real processes: beside one another, ended and killed."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from adapters.environment import load_settings
from adapters.formats.archive import Archive
from adapters.settings import Settings
from adapters.unfinished import LOCK, NOTES, PREFIX, leftovers, work_folder
from cli.backup import write_backup
from cli.doctor.files import unfinished
from cli.doctor.findings import State
from cli.doctor.installation import Installation
from tests.integration.backup.homes import made_home
from tests.services.commands import ended, start_command, start_in_terminal, wait_while_it_runs

LARGE = 64 << 20
"""Bytes of an upload that is copied for long enough to be met at it."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = made_home(tmp_path_factory.mktemp("large") / "home")
    with (settings.root / "label-studio" / "media" / "large").open("wb") as file:
        file.truncate(LARGE)
    return settings


@pytest.fixture(scope="module")
def backup(home: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all restorations: to write it takes longer than they do."""
    file = tmp_path_factory.mktemp("backup") / "b.tar"
    write_backup(home, file)
    return file


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


@pytest.mark.parametrize(
    ("number", "moment"),
    [(signal.SIGTERM, "folder"), (signal.SIGHUP, "database"), (signal.SIGTERM, "archive")],
)
def test_a_backup_that_is_asked_to_end_leaves_nothing(
    home: Settings, target: Path, number: signal.Signals, moment: str
) -> None:
    sought = {"folder": "", "database": "/0-*", "archive": "/backup.tar"}[moment]
    process = start_command("backup", target / "b.tar", "--home", home.root)
    wait_while_it_runs(process, lambda: any(target.glob(f"{PREFIX}*{sought}")))
    process.send_signal(number)
    code, out, errors = ended(process)
    assert (code, out) == (128 + number, "")
    assert errors == "\nstopped; the file is there whole or not at all; the same command begins anew\n"
    assert names(target) == []
    assert names(home.root / NOTES) == []


@pytest.mark.parametrize(
    ("number", "moment"), [(signal.SIGTERM, "/home/label-studio/media/large"), (signal.SIGHUP, "")]
)
def test_a_restoration_that_is_asked_to_end_leaves_nothing(
    backup: Path, target: Path, number: signal.Signals, moment: str
) -> None:
    process = start_command("restore", backup, "--home", target / "new")
    wait_while_it_runs(process, lambda: any(target.glob(f"{PREFIX}*{moment}")))
    process.send_signal(number)
    assert ended(process)[0] == 128 + number
    assert names(target) == []


def test_both_signals_at_once_as_systemd_sends_them_disturb_no_clean_up(home: Settings, target: Path) -> None:
    process = start_command("backup", target / "b.tar", "--home", home.root)
    wait_while_it_runs(process, lambda: bool(archives(target)))
    for _ in range(20):
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGHUP)
    assert ended(process)[0] in (128 + signal.SIGTERM, 128 + signal.SIGHUP)
    assert names(target) == []


def test_a_backup_under_nohup_goes_on(home: Settings, target: Path) -> None:
    process = start_command("backup", target / "b.tar", "--home", home.root, ignoring=signal.SIGHUP)
    wait_while_it_runs(process, lambda: bool(archives(target)))
    process.send_signal(signal.SIGHUP)
    assert ended(process)[0] == 0
    assert names(target) == ["b.tar"]


def test_a_closed_terminal_leaves_nothing(home: Settings, target: Path) -> None:
    process, terminal = start_in_terminal("backup", target / "b.tar", "--home", home.root)
    wait_while_it_runs(process, lambda: bool(archives(target)))
    os.close(terminal)
    assert process.wait(60) == 128 + signal.SIGHUP
    assert names(target) == []


def test_what_a_killed_backup_left_is_named_by_the_doctor_and_gone_with_the_next(
    home: Settings, tmp_path: Path, target: Path
) -> None:
    """Wherever the next one is written, and not while the first is only paused."""
    process = start_command("backup", target / "b.tar", "--home", home.root)
    wait_while_it_runs(process, lambda: bool(archives(target)))
    process.send_signal(signal.SIGSTOP)
    write_backup(home, tmp_path / "second.tar")
    assert unfinished(Installation(home)).state is State.OK
    process.kill()
    ended(process)
    (left,) = target.iterdir()
    found = unfinished(Installation(home))
    assert found.state is State.WARN
    assert f"rm -r {left}" in found.todo.here
    write_backup(home, tmp_path / "third.tar")
    assert names(target) == names(home.root / NOTES) == []
    assert unfinished(Installation(home)).state is State.OK


def test_what_a_killed_restoration_left_is_named_and_gone_with_the_next(backup: Path, target: Path) -> None:
    process = start_command("restore", backup, "--home", target / "new")
    wait_while_it_runs(process, lambda: any(target.glob(f"{PREFIX}*/home/secrets.env")))
    process.kill()
    ended(process)
    (left,) = target.iterdir()
    assert str(left) in unfinished(Installation(load_settings(target / "other"))).got
    assert ended(start_command("restore", backup, "--home", target / "new"))[0] == 0
    assert names(target) == ["new"]


def test_a_folder_of_another_command_or_person_is_no_leftover(tmp_path: Path) -> None:
    """One without the lock file, one that a link leads to, one whose lock is held by a live process."""
    (tmp_path / f"{PREFIX}mine").mkdir()
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / LOCK).touch()
    (tmp_path / f"{PREFIX}link").symlink_to(tmp_path / "precious")
    with work_folder(tmp_path) as folder:
        assert leftovers(tmp_path) == []
        assert folder.stat().st_mode & 0o077 == 0
    assert names(tmp_path) == [f"{PREFIX}link", f"{PREFIX}mine", "precious"]
