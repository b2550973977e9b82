"""Taking a backup of homes without Label Studio's process, also of ones that change or are damaged."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import pytest

import db.clients
from adapters.bootstrap import build
from adapters.environment import load_settings
from adapters.formats.archive import Archive
from adapters.services.secrets import ensure_secrets
from adapters.settings import Settings
from cli.backup import write_backup
from db import SqlDatabase
from loop.errors import Conflict, NotFound
from loop.records import NewFrame
from tests.contract.repositories.conftest import create_postgres_database
from tests.integration.backup.homes import FRAMES, NUMBERS, made_home, run
from tests.services.homes import NOW


def test_a_backup_holds_secrets_and_is_closed_to_others(home: Settings, tmp_path: Path) -> None:
    run("backup", tmp_path / "b.tar", "--home", home.root)
    assert (tmp_path / "b.tar").stat().st_mode & 0o077 == 0


def test_a_file_that_is_there_is_never_written_over(home: Settings, tmp_path: Path) -> None:
    (tmp_path / "b.tar").write_text("precious")
    assert "which is there already" in run("backup", tmp_path / "b.tar", "--home", home.root, code=1).output
    assert (tmp_path / "b.tar").read_text() == "precious"


@pytest.mark.parametrize("place", ["b.tar", "frames/b.tar", "new/b.tar"])
def test_a_backup_into_the_home_itself_is_refused(home: Settings, tmp_path: Path, place: str) -> None:
    (tmp_path / "link").symlink_to(home.root)
    for root in (home.root, tmp_path / "link"):
        result = run("backup", root / place, "--home", home.root, code=1)
        assert "which lies in the home itself" in result.stderr
        assert result.stdout == ""
    assert not (home.root / place).exists()


def test_a_failed_backup_or_restoration_prints_nothing_to_stdout(home: Settings, tmp_path: Path) -> None:
    (tmp_path / "b.tar").write_text("no backup")
    for words in (("backup", tmp_path / "none" / "b.tar"), ("restore", tmp_path / "b.tar")):
        place = home.root if words[0] == "backup" else tmp_path / "new"
        assert run(*words, "--home", place, code=1).stdout == ""


def test_a_folder_that_cannot_be_written_is_named(home: Settings) -> None:
    assert "what to do" in run("backup", "/proc/b.tar", "--home", home.root, code=1).output


def test_ctrl_c_leaves_nothing_behind(home: Settings, tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.mkdir()

    def stop(done: int, total: int) -> None:
        assert len(list(target.rglob("backup.tar"))) == 1
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_backup(home, target / "b.tar", on_content=stop)
    assert list(target.iterdir()) == []


def test_damaged_content_is_told_and_all_the_rest_is_kept(home: Settings, tmp_path: Path) -> None:
    masks = sorted((home.root / "masks").rglob("*.slm"))
    masks[0].write_bytes(b"damaged")
    masks[1].unlink()
    output = run("backup", tmp_path / "b.tar", "--home", home.root, code=1).output
    assert "2 stored contents that are damaged or missing" in output
    about = Archive.open(tmp_path / "b.tar").manifest.about
    assert about["counts"]["masks"] == FRAMES - 2
    assert sorted(Path(name).name for name in about["missing"]) == sorted(each.name for each in masks[:2])


def test_a_damaged_database_is_told_and_no_file_is_left(home: Settings, tmp_path: Path) -> None:
    path = home.root / "label-studio" / "label_studio.sqlite3"
    path.write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)
    output = run("backup", tmp_path / "b.tar", "--home", home.root, code=1).output
    assert "damaged" in output
    assert sorted(each.name for each in tmp_path.iterdir()) == ["home"]


def test_a_home_without_a_database_has_nothing_to_copy(tmp_path: Path) -> None:
    ensure_secrets(tmp_path / "home")
    assert "./sonoloop up" in run("backup", tmp_path / "b.tar", "--home", tmp_path / "home", code=1).output
    assert sorted(each.name for each in tmp_path.iterdir()) == ["home"]


def test_frames_added_between_the_two_copies_are_in_both(home: Settings, tmp_path: Path) -> None:
    """Else Label Studio's copy would hold tasks whose frames nobody knows."""
    added: list[str] = []

    def add(what: str) -> None:
        if what == "Label Studio's database" and not added:
            added.append(add_frame(home))

    manifest = write_backup(home, tmp_path / "b.tar", add)
    assert added
    run("restore", tmp_path / "b.tar", "--home", tmp_path / "new")
    with closing(build(load_settings(tmp_path / "new"))) as container, container.database.read() as uow:
        assert uow.frames.count(1) == FRAMES + 1
    assert manifest.about["missing"] == [f"frames/all/{added[0]}.png"]


def test_a_home_that_never_holds_still_is_left_to_its_intake(home: Settings, tmp_path: Path) -> None:
    def add(_: str) -> None:
        add_frame(home)

    with pytest.raises(Conflict, match="frames or models that are being added"):
        write_backup(home, tmp_path / "b.tar", add)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["home"]


def add_frame(settings: Settings) -> str:
    digest = f"{next(NUMBERS):064x}"
    with closing(SqlDatabase(settings.effective_database_url)) as database, database.write() as uow:
        uow.frames.add(1, [NewFrame(digest, 9, 9, "clip", None, False)], NOW)
        uow.commit()
    return digest


@pytest.mark.services
def test_without_a_fitting_pg_dump_it_is_said_what_to_install(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = create_postgres_database(postgres_url, f"backup_{os.getpid()}_{next(NUMBERS)}")
    settings = made_home(tmp_path / "home", database_url=url)
    programs = tmp_path / "programs"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setattr(db.clients, "CLIENT_FOLDERS", ())
    assert (
        "no pg_dump on this machine"
        in run("backup", tmp_path / "b.tar", "--home", settings.root, code=1).output
    )
    (programs / "pg_dump").write_text('#!/bin/sh\necho "pg_dump (PostgreSQL) 9.6.24"\n')
    (programs / "pg_dump").chmod(0o755)
    output = run("backup", tmp_path / "b.tar", "--home", settings.root, code=1).output
    assert "pg_dump 9 for a PostgreSQL server" in output
    assert not (tmp_path / "b.tar").exists()


def test_a_database_that_is_lost_is_not_found(home: Settings, tmp_path: Path) -> None:
    (home.root / "label-studio" / "label_studio.sqlite3").unlink()
    with pytest.raises(NotFound):
        write_backup(home, tmp_path / "b.tar")
