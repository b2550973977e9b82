"""Backup and restoration of homes without Label Studio's process: real files, SQLite and PostgreSQL."""

from __future__ import annotations

import os
import shlex
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import db.clients
from adapters.bootstrap import build
from adapters.environment import load_settings
from adapters.formats.archive import Archive
from adapters.home_files import remember_settings
from adapters.locks import exclusive
from adapters.services.secrets import ensure_secrets
from adapters.settings import Settings
from cli.app import app
from cli.backup import write_backup
from cli.restore import put_back, read_backup
from db import SqlDatabase, open_database
from loop import full_looks
from loop.errors import Conflict, NotFound
from loop.records import NewFrame
from tests.contract.repositories.conftest import create_postgres_database
from tests.services.commands import ended, start_command, wait_while_it_runs
from tests.services.homes import NOW, make_home

FRAMES = 6
NUMBERS = count(1)
KINDS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.services)]


@pytest.fixture(params=KINDS)
def new_database(request: pytest.FixtureRequest) -> Callable[[], str]:
    """Gives the address of an empty database at each call; "" for SQLite, whose file lies in the home."""
    if request.param == "sqlite":
        return lambda: ""
    server: str = request.getfixturevalue("postgres_url")
    return lambda: create_postgres_database(server, f"backup_{os.getpid()}_{next(NUMBERS)}")


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    return made_home(tmp_path / "home")


def made_home(root: Path, **chosen: str) -> Settings:
    """A home of labelled discs; a small file stands for Label Studio's database, another for an upload."""
    ensure_secrets(root)
    remember_settings(root, {"threads": 1, **{name: value for name, value in chosen.items() if value}})
    settings = load_settings(root)
    make_home(settings, frames=FRAMES, held_out=2)
    uploads = root / "label-studio" / "media" / "upload"
    uploads.mkdir(parents=True)
    (uploads / "avatar.png").write_bytes(b"picture")
    with closing(sqlite3.connect(root / "label-studio" / "label_studio.sqlite3")) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("CREATE TABLE task (id INTEGER)")
        database.executemany("INSERT INTO task VALUES (?)", [(number,) for number in range(FRAMES)])
        database.commit()
    return settings


def run(*words: str | Path, code: int = 0) -> Result:
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    assert result.exit_code == code, result.output
    return result


def state_of(settings: Settings) -> object:
    """Everything that rows say, and the content that they name."""
    with closing(build(settings)) as container, container.database.read() as uow:
        frames, masks = uow.frames.list(1), uow.masks.latest_of_all(1)
        contents = [container.storage.get("masks", each.mask_digest or "") for each in masks]
        pictures = [container.storage.get("frames", each.digest) for each in frames]
    return frames, masks, contents, pictures


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


def test_settings_for_another_kind_of_database_are_refused(
    home: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_backup(home, tmp_path / "b.tar")
    monkeypatch.setenv("SONOLOOP_DATABASE_URL", "postgresql://nobody@127.0.0.1:9/none")
    output = run("restore", tmp_path / "b.tar", "--home", tmp_path / "new", code=1).output
    assert "SONOLOOP_DATABASE_URL" in output
    assert not (tmp_path / "new").exists()


def test_a_database_that_is_lost_is_not_found(home: Settings, tmp_path: Path) -> None:
    (home.root / "label-studio" / "label_studio.sqlite3").unlink()
    with pytest.raises(NotFound):
        write_backup(home, tmp_path / "b.tar")
