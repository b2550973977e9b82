"""Making a home of a backup: the same as before, or nothing at all."""

from __future__ import annotations

import os
import shlex
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import Result

from adapters.environment import load_settings
from adapters.locks import exclusive
from adapters.settings import Settings
from cli.backup import write_backup
from cli.restore import put_back, read_backup
from db import SqlDatabase, open_database
from loop import full_looks
from loop.errors import Conflict
from tests.contract.repositories.conftest import create_postgres_database
from tests.integration.backup.homes import FRAMES, NUMBERS, made_home, run, state_of
from tests.services.commands import ended, start_command, wait_while_it_runs
from tests.services.homes import NOW


def rows_of_label_studio(root: Path) -> int:
    with closing(sqlite3.connect(root / "label-studio" / "label_studio.sqlite3")) as database:
        return int(database.execute("SELECT count(*) FROM task").fetchone()[0])


def test_a_restored_home_holds_the_same(new_database: Callable[[], str], tmp_path: Path) -> None:
    settings = made_home(tmp_path / "home", database_url=new_database())
    before = state_of(settings)
    output = run("backup", tmp_path / "b.tar", "--home", settings.root).output
    assert f"{FRAMES} frames, {FRAMES} masks, 0 models" in output
    elsewhere = {"SONOLOOP_DATABASE_URL": new_database()} if settings.database_url else {}
    new = tmp_path / "deep" / "new"
    with pytest.MonkeyPatch.context() as patch:
        for name, value in elsewhere.items():
            patch.setenv(name, value)
        assert f"./sonoloop up --home {new}" in run("restore", tmp_path / "b.tar", "--home", new).output
        assert state_of(load_settings(new)) == before
    assert rows_of_label_studio(new) == FRAMES
    assert (new / "label-studio/media/upload/avatar.png").read_bytes() == b"picture"
    assert (new / "secrets.env").read_text() == (settings.root / "secrets.env").read_text()
    assert (new / "secrets.env").stat().st_mode & 0o077 == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.tar", "deep", "home"]
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["new"]


def test_a_restored_home_is_compared_with_all_of_its_label_studio_at_once(
    home: Settings, tmp_path: Path
) -> None:
    with closing(SqlDatabase(home.effective_database_url)) as database, database.write() as uow:
        full_looks.note(uow, 1, NOW)
        assert not full_looks.is_due(uow, 1, NOW)
        uow.commit()
    write_backup(home, tmp_path / "b.tar")
    run("restore", tmp_path / "b.tar", "--home", tmp_path / "new")
    restored = load_settings(tmp_path / "new").effective_database_url
    with closing(SqlDatabase(restored)) as database, database.read() as uow:
        assert full_looks.is_due(uow, 1, NOW)


def test_a_store_elsewhere_is_copied_and_filled_again(tmp_path: Path) -> None:
    settings = made_home(tmp_path / "home", storage_url=f"file://{tmp_path / 'store'}")
    before = state_of(settings)
    run("backup", tmp_path / "b.tar", "--home", settings.root)
    (tmp_path / "store").rename(tmp_path / "lost")
    run("restore", tmp_path / "b.tar", "--home", tmp_path / "new")
    assert not (tmp_path / "new" / "masks").exists()
    assert state_of(load_settings(tmp_path / "new")) == before
    names = [{path.name for path in (tmp_path / store).rglob("*.*")} for store in ("store", "lost")]
    assert names[0] == names[1]


@pytest.mark.parametrize("kind", ["frames", "masks"])
def test_damaged_content_in_a_store_elsewhere_is_replaced_by_the_backups(tmp_path: Path, kind: str) -> None:
    settings = made_home(tmp_path / "home", storage_url=f"file://{tmp_path / 'store'}")
    before = state_of(settings)
    run("backup", tmp_path / "b.tar", "--home", settings.root)
    files = sorted(each for each in (tmp_path / "store" / kind).rglob("*.*") if each.is_file())
    whole = [each.read_bytes() for each in files]
    middle = len(whole[0]) // 2
    files[0].write_bytes(whole[0][:middle] + bytes([whole[0][middle] ^ 0xFF]) + whole[0][middle + 1 :])
    files[1].write_bytes(whole[1][:-7])
    output = run("restore", tmp_path / "b.tar", "--home", tmp_path / "new").output
    assert "2 damaged contents in the store were replaced" in " ".join(output.split())
    assert [each.read_bytes() for each in files] == whole
    assert state_of(load_settings(tmp_path / "new")) == before


def test_the_advice_after_a_restoration_can_be_pasted(home: Settings, tmp_path: Path) -> None:
    write_backup(home, tmp_path / "b.tar")
    output = run("restore", tmp_path / "b.tar", "--home", tmp_path / "a home; ls").output
    assert shlex.split(output.splitlines()[-1])[-1] == str(tmp_path / "a home; ls")


def test_of_two_restorations_to_one_home_the_later_says_that_it_holds_data(
    home: Settings, tmp_path: Path
) -> None:
    write_backup(home, tmp_path / "b.tar")
    new = tmp_path / "new"
    met: list[Result] = []
    archive = read_backup(tmp_path / "b.tar", new)

    def restore_too(_: int) -> None:
        if not met:
            met.append(run("restore", tmp_path / "b.tar", "--home", new))

    with pytest.raises(Conflict, match="data in"):
        put_back(archive, new, restore_too)
    assert met
    assert state_of(load_settings(new)) == state_of(home)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.tar", "home", "new"]


def test_ctrl_c_in_a_restoration_leaves_nothing_behind(home: Settings, tmp_path: Path) -> None:
    upload = home.root / "label-studio" / "media" / "large"
    with upload.open("wb") as file:
        file.truncate(400 << 20)
    write_backup(home, tmp_path / "b.tar")
    target = tmp_path / "out"
    process = start_command("restore", tmp_path / "b.tar", "--home", target / "new")
    wait_while_it_runs(process, lambda: target.exists() and any(target.iterdir()))
    process.send_signal(signal.SIGINT)
    code, _, errors = ended(process)
    assert code == 130, errors
    assert "the home is there whole or not at all" in errors
    assert list(target.iterdir()) == []


def test_nothing_is_restored_over_a_home_that_holds_data(home: Settings, tmp_path: Path) -> None:
    write_backup(home, tmp_path / "b.tar")
    (home.root / "run").mkdir(exist_ok=True)
    (home.root / "run" / "supervisord.lock").touch()
    before = sorted(home.root.rglob("*"))
    assert "data in" in run("restore", tmp_path / "b.tar", "--home", home.root, code=1).output
    with exclusive(home.root / "run" / "supervisord.lock", 1):
        assert "services that run" in run("restore", tmp_path / "b.tar", "--home", home.root, code=1).output
    assert sorted(home.root.rglob("*")) == before


def test_an_empty_folder_is_filled(home: Settings, tmp_path: Path) -> None:
    write_backup(home, tmp_path / "b.tar")
    (tmp_path / "new").mkdir()
    run("restore", tmp_path / "b.tar", "--home", tmp_path / "new")
    assert state_of(load_settings(tmp_path / "new")) == state_of(home)


def test_a_link_to_an_empty_folder_is_followed(home: Settings, tmp_path: Path) -> None:
    write_backup(home, tmp_path / "b.tar")
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "home").mkdir()
    (tmp_path / "new").symlink_to(tmp_path / "disk" / "home")
    run("restore", tmp_path / "b.tar", "--home", tmp_path / "new")
    assert (tmp_path / "new").is_symlink()
    assert state_of(load_settings(tmp_path / "new")) == state_of(home)
    assert [each.name for each in (tmp_path / "disk").iterdir()] == ["home"]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["b.tar", "disk", "home", "new"]


@pytest.mark.parametrize("aim", ["disk/home", "new"])
def test_a_link_to_nothing_is_refused_at_once(home: Settings, tmp_path: Path, aim: str) -> None:
    write_backup(home, tmp_path / "b.tar")
    (tmp_path / "new").symlink_to(tmp_path / aim)
    output = run("restore", tmp_path / "b.tar", "--home", tmp_path / "new", code=1).output
    assert "which is not there" in " ".join(output.split())
    assert "nothing was unpacked" in " ".join(output.split())
    assert sorted(each.name for each in tmp_path.iterdir()) == ["b.tar", "home", "new"]


@pytest.mark.parametrize("change", ["flip", "cut"])
def test_a_changed_backup_changes_nothing(home: Settings, tmp_path: Path, change: str) -> None:
    write_backup(home, tmp_path / "b.tar")
    content = bytearray((tmp_path / "b.tar").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "b.tar").write_bytes(content if change == "flip" else content[: len(content) // 2])
    output = run("restore", tmp_path / "b.tar", "--home", tmp_path / "new", code=1).output
    assert "cut short or changed" in output
    assert sorted(each.name for each in tmp_path.iterdir()) == ["b.tar", "home"]


def test_a_backup_of_a_newer_sonoloop_is_refused(home: Settings, tmp_path: Path) -> None:
    open_database(home.effective_database_url).close()
    with closing(sqlite3.connect(home.database_file)) as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
        database.commit()
    write_backup(home, tmp_path / "b.tar")
    assert "update Sonoloop" in run("restore", tmp_path / "b.tar", "--home", tmp_path / "new", code=1).output
    assert not (tmp_path / "new").exists()


def test_what_is_no_backup_is_refused(tmp_path: Path) -> None:
    (tmp_path / "b.tar").write_bytes(os.urandom(5000))
    run("restore", tmp_path / "b.tar", "--home", tmp_path / "new", code=1)
    assert "which is no file" in run("restore", tmp_path / "c.tar", "--home", tmp_path / "new", code=1).output
    assert [each.name for each in tmp_path.iterdir()] == ["b.tar"]


@pytest.mark.services
def test_a_postgresql_database_with_tables_is_never_filled(postgres_url: str, tmp_path: Path) -> None:
    url = create_postgres_database(postgres_url, f"backup_{os.getpid()}_{next(NUMBERS)}")
    settings = made_home(tmp_path / "home", database_url=url)
    write_backup(settings, tmp_path / "b.tar")
    before = state_of(settings)
    output = run("restore", tmp_path / "b.tar", "--home", tmp_path / "new", code=1).output
    assert "holds" in output
    assert "an empty one" in output
    assert not (tmp_path / "new").exists()
    assert state_of(settings) == before


def test_settings_for_another_kind_of_database_are_refused(
    home: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_backup(home, tmp_path / "b.tar")
    monkeypatch.setenv("SONOLOOP_DATABASE_URL", "postgresql://nobody@127.0.0.1:9/none")
    output = run("restore", tmp_path / "b.tar", "--home", tmp_path / "new", code=1).output
    assert "SONOLOOP_DATABASE_URL" in output
    assert not (tmp_path / "new").exists()
