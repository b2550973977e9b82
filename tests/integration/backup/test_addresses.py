"""A restored home keeps no address by which it would work in the installation that the backup is of."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from sqlalchemy import make_url

from adapters.environment import load_settings
from adapters.home_files import SETTINGS_FILE, read_env_file
from adapters.settings import Settings
from cli.elsewhere import NOTE
from tests.contract.repositories.conftest import create_postgres_database, run_on_postgres
from tests.integration.backup.homes import NUMBERS, made_home, run, state_of

PASSWORD = "hunter2-trusted"


def new_database(server: str) -> str:
    """With a password in its address, which the server trusts us without."""
    url = make_url(create_postgres_database(server, f"addresses_{os.getpid()}_{next(NUMBERS)}"))
    return url.set(password=PASSWORD).render_as_string(hide_password=False)


def restored(home: Settings, folder: Path) -> tuple[Path, str]:
    """Another home, made from a backup of that one, and what was said of it."""
    run("backup", folder / "b.tar", "--home", home.root)
    return folder / "new", run("restore", folder / "b.tar", "--home", folder / "new").output


@pytest.mark.services
def test_a_home_that_is_restored_into_another_database_never_comes_back_to_the_first(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when it is started from a shell without the variable by which it was restored."""
    first, second = new_database(postgres_url), new_database(postgres_url)
    home = made_home(tmp_path / "home", database_url=first, log_level="debug")
    before, new = state_of(home), tmp_path / "new"
    run("backup", tmp_path / "b.tar", "--home", home.root)
    with monkeypatch.context() as patched:
        patched.setenv("SONOLOOP_DATABASE_URL", second)
        said = run("restore", tmp_path / "b.tar", "--home", new).output
        assert state_of(load_settings(new)) == before
    assert f"SONOLOOP_DATABASE_URL ({place_of(first)}) is left out" in said
    assert PASSWORD not in said
    assert read_env_file(new / SETTINGS_FILE) == {"SONOLOOP_THREADS": "1", "SONOLOOP_LOG_LEVEL": "debug"}
    for words in (("up",), ("status",), ("review",)):
        refusal = " ".join(run(*words, "--home", new, code=1).output.split())
        assert f"no SONOLOOP_DATABASE_URL, and a home whose database is {place_of(second)}" in refusal
    assert state_of(home) == before


@pytest.mark.services
def test_an_emptied_database_is_filled_again_by_its_address_in_the_backup(
    postgres_url: str, tmp_path: Path
) -> None:
    first = new_database(postgres_url)
    home = made_home(tmp_path / "home", database_url=first)
    before = state_of(home)
    run("backup", tmp_path / "b.tar", "--home", home.root)
    run_on_postgres(first, "DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
    said = run("restore", tmp_path / "b.tar", "--home", tmp_path / "new").output
    assert f"SONOLOOP_DATABASE_URL ({place_of(first)}) is kept" in said
    assert PASSWORD not in said
    assert state_of(load_settings(tmp_path / "new")) == before


def test_a_file_that_another_home_has_for_its_database_is_not_touched(tmp_path: Path) -> None:
    far = tmp_path / "far.sqlite3"
    home = made_home(tmp_path / "home", database_url=f"sqlite:///{far}")
    before, content = state_of(home), far.read_bytes()
    new, said = restored(home, tmp_path)
    assert f"SONOLOOP_DATABASE_URL (sqlite:///{far}) is left out" in said
    assert far.read_bytes() == content
    far.unlink()
    assert state_of(load_settings(new)) == before
    assert not (new / NOTE).exists()


def test_a_file_outside_the_home_is_not_restored_into(
    home: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("backup", tmp_path / "b.tar", "--home", home.root)
    monkeypatch.setenv("SONOLOOP_DATABASE_URL", f"sqlite:///{tmp_path / 'far.sqlite3'}")
    said = run("restore", tmp_path / "b.tar", "--home", tmp_path / "new", code=1).output
    assert "SONOLOOP_DATABASE_URL" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.tar", "home"]
    monkeypatch.setenv("SONOLOOP_DATABASE_URL", f"sqlite:///{tmp_path / 'new' / 'db' / 'sonoloop.sqlite3'}")
    run("restore", tmp_path / "b.tar", "--home", tmp_path / "new")
    assert state_of(load_settings(tmp_path / "new")) is not None


OTHERS = {
    "redis_url": f"redis://:{PASSWORD}@127.0.0.1:6390/0",
    "label_studio_url": "http://127.0.0.1:8990",
    "backend_url": "http://127.0.0.1:9990",
}


def test_the_services_of_another_installation_are_not_taken_over(tmp_path: Path) -> None:
    """Its Redis would give its work to our workers, its Label Studio would get our drawings."""
    store = f"file://{tmp_path / 'store'}"
    home = made_home(tmp_path / "home", storage_url=store, **OTHERS)
    new, said = restored(home, tmp_path)
    assert read_env_file(new / SETTINGS_FILE) == {"SONOLOOP_THREADS": "1", "SONOLOOP_STORAGE_URL": store}
    for name in OTHERS:
        assert f"SONOLOOP_{name.upper()} (" in said
    assert "SONOLOOP_STORAGE_URL is kept" in said
    assert PASSWORD not in said
    assert load_settings(new).redis_url == ""


def test_what_the_environment_says_too_stays_without_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = made_home(tmp_path / "home", **OTHERS)
    for name, url in OTHERS.items():
        monkeypatch.setenv(f"SONOLOOP_{name.upper()}", url)
    new, said = restored(home, tmp_path)
    assert (new / SETTINGS_FILE).read_text() == (home.root / SETTINGS_FILE).read_text()
    assert "SONOLOOP_" not in said


def test_a_store_in_place_of_which_the_environment_names_another_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = made_home(tmp_path / "home", storage_url=f"file://{tmp_path / 'store'}")
    before = state_of(home)
    run("backup", tmp_path / "b.tar", "--home", home.root)
    monkeypatch.setenv("SONOLOOP_STORAGE_URL", f"file://{tmp_path / 'second'}")
    said = run("restore", tmp_path / "b.tar", "--home", tmp_path / "new").output
    assert "SONOLOOP_STORAGE_URL is left out" in said
    assert "SONOLOOP_STORAGE_URL" not in read_env_file(tmp_path / "new" / SETTINGS_FILE)
    assert state_of(load_settings(tmp_path / "new")) == before


def place_of(url: str) -> str:
    address = make_url(url)
    return f"postgresql://{address.host}:{address.port}/{address.database}"
