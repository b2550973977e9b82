"""A restoration that is killed while it moves files into a folder that keeps its place."""

from __future__ import annotations

from pathlib import Path
from signal import SIGKILL

import pytest

from adapters.environment import load_settings
from adapters.home_files import SECRETS_FILE
from adapters.settings import Settings
from cli.backup import write_backup
from cli.doctor.examine import examine
from cli.doctor.findings import State
from cli.doctor.installation import read_installation
from tests.integration.backup.homes import made_home, state_of
from tests.services.commands import ended, start_command, start_killed_at


@pytest.fixture
def source(tmp_path: Path) -> Settings:
    """Of which `b.tar` is a backup; in `new` a volume is mounted, or could be."""
    settings = made_home(tmp_path / "home")
    write_backup(settings, tmp_path / "b.tar")
    (tmp_path / "new" / "frames").mkdir(parents=True)
    return settings


def kill_at(file: str, folder: Path) -> Path:
    """Kill it before it moves that file; gives the home."""
    words = ("restore", folder / "b.tar", "--home", folder / "new")
    code, _, errors = ended(start_killed_at("shutil.move", *words, file=file))
    assert code == -SIGKILL, errors
    return folder / "new"


@pytest.mark.parametrize("words", [["up"], ["status"], ["add", "."]])
def test_half_a_home_is_told_as_such_and_nothing_is_done_with_it(
    source: Settings, tmp_path: Path, words: list[str]
) -> None:
    home = kill_at(SECRETS_FILE, tmp_path)
    assert (home / "db" / "sonoloop.sqlite3").exists()
    before = sorted(home.rglob("*"))
    code, _, errors = ended(start_command(*words, "--home", home))
    said = " ".join(errors.split())
    assert (code, "half a home in" in said) == (1, True), said
    assert "restore FILE again, to the same --home" in said
    assert "secrets" not in said
    assert sorted(home.rglob("*")) == before
    finding = dict(examine(read_installation(home)))["restoration"]
    assert (finding.state, "half a home in" in finding.got) == (State.FAIL, True)


@pytest.mark.parametrize("file", ["sonoloop.sqlite3", SECRETS_FILE, "sonoloop.env"])
def test_the_same_restoration_again_begins_anew(source: Settings, tmp_path: Path, file: str) -> None:
    home = kill_at(file, tmp_path)
    code, _, errors = ended(start_command("restore", tmp_path / "b.tar", "--home", home))
    assert code == 0, errors
    assert state_of(load_settings(home)) == state_of(source)
    assert not [each for each in home.iterdir() if "unfinished" in each.name]


def test_what_somebody_put_there_since_stays(source: Settings, tmp_path: Path) -> None:
    home = kill_at(SECRETS_FILE, tmp_path)
    (home / "mine.txt").write_text("mine")
    before = sorted(home.rglob("*"))
    code, _, errors = ended(start_command("restore", tmp_path / "b.tar", "--home", home))
    assert (code, "data in" in errors) == (1, True), errors
    assert sorted(home.rglob("*")) == before
