"""A home whose database lies elsewhere is never taken for an empty one, and keeps no password."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from adapters.environment import load_settings
from adapters.home_files import remember_settings
from adapters.services.secrets import ensure_secrets
from cli.app import app
from cli.doctor.installation import Installation
from cli.elsewhere import NOTE, note_database, require_noted_database
from cli.services import started_home
from loop.errors import NotFound
from tests.services.homes import make_home

VARIABLE = "SONOLOOP_DATABASE_URL"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Started once with the address in a variable, which is not set any more; others run its services."""
    ensure_secrets(tmp_path / "home")
    remember_settings(tmp_path / "home", {"services": "elsewhere", "threads": 1})
    with monkeypatch.context() as patched:
        patched.setenv(VARIABLE, f"sqlite:///{tmp_path / 'far.sqlite3'}")
        make_home(load_settings(tmp_path / "home"), frames=1, held_out=0)
        with started_home(tmp_path / "home", {}):
            pass
    return tmp_path / "home"


def run(home: Path, *words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, [*words, "--home", str(home)])
    return done.exit_code, " ".join(done.output.split())


def test_status_without_the_variable_says_which_one_is_missing(home: Path) -> None:
    code, said = run(home, "status")
    assert (code, f"no {VARIABLE}, and a home whose database is sqlite:///" in said) == (1, True), said
    assert "no project yet" not in said
    assert "services" in said


@pytest.mark.parametrize("words", [["review"], ["up"], ["backup", "{beside}.tar"]])
def test_no_command_makes_an_empty_database_in_its_place(home: Path, words: list[str]) -> None:
    code, said = run(home, *(each.format(beside=home.parent / "beside") for each in words))
    assert (code, f"no {VARIABLE}" in said) == (1, True), said
    assert not (home / "db" / "sonoloop.sqlite3").exists()


def test_the_doctor_says_it_too(home: Path) -> None:
    with pytest.raises(NotFound, match=VARIABLE), Installation(load_settings(home)).unit():
        pass


def test_with_the_address_in_the_homes_settings_all_is_found(home: Path) -> None:
    remember_settings(home, {"database_url": f"sqlite:///{home.parent / 'far.sqlite3'}"})
    code, said = run(home, "status")
    assert (code, "Discs" in said) == (0, True), said


def test_a_home_that_never_had_a_database_names_both_ways(tmp_path: Path) -> None:
    ensure_secrets(tmp_path)
    code, said = run(tmp_path, "status")
    assert (code, VARIABLE in said, "./sonoloop up makes it" in said) == (0, True, True), said


@pytest.mark.parametrize(
    ("url", "place"),
    [
        (
            "postgresql+pg8000://me:hunter2@db.example:5432/loop?x=hunter2",
            "postgresql://db.example:5432/loop",
        ),
        ("postgresql://me:p%40hunter2@[::1]/loop", "postgresql://[::1]/loop"),
    ],
)
def test_the_place_is_kept_and_no_password(tmp_path: Path, url: str, place: str) -> None:
    note_database(load_settings(tmp_path, database_url=url))
    assert (tmp_path / NOTE).read_text() == f"{place}\n"
    with pytest.raises(NotFound, match="no SONOLOOP_DATABASE_URL"):
        require_noted_database(load_settings(tmp_path))


def test_a_home_with_its_own_database_keeps_nothing(tmp_path: Path) -> None:
    note_database(load_settings(tmp_path))
    require_noted_database(load_settings(tmp_path))
    assert list(tmp_path.iterdir()) == []
