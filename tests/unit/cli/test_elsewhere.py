"""A home one of whose databases lies elsewhere is never taken for an empty one, and keeps no password."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from adapters.environment import load_settings
from adapters.home_files import remember_settings
from adapters.services.secrets import ensure_secrets
from cli.app import app
from cli.doctor.examine import examine
from cli.doctor.findings import State
from cli.doctor.installation import Installation, read_installation
from cli.elsewhere import (
    LABEL_STUDIO_NOTE,
    NOTE,
    home_key,
    note_databases,
    require_noted_database,
    require_noted_label_studio,
)
from cli.services import started_home
from db import SqlDatabase
from loop.errors import NotFound
from tests.services.homes import make_home

VARIABLE = "SONOLOOP_DATABASE_URL"
LABEL_STUDIOS = {
    "DJANGO_DB": "default",
    "POSTGRE_HOST": "db.example",
    "POSTGRE_PORT": "5433",
    "POSTGRE_NAME": "labels",
    "POSTGRE_USER": "me",
    "POSTGRE_PASSWORD": "p@hunter2/#",
}
LACKING = (
    "no DJANGO_DB, and a home whose Label Studio has its database at postgresql://db.example:5433/labels"
)


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


@pytest.mark.parametrize("words", [["review"], ["up"], ["status"]])
def test_nothing_begins_anew_in_an_empty_database_at_another_address(home: Path, words: list[str]) -> None:
    wrong = home.parent / "wrong.sqlite3"
    remember_settings(home, {"database_url": f"sqlite:///{wrong}"})
    code, said = run(home, *words)
    assert (code, "no project in sqlite:///" in said, "far.sqlite3" in said) == (1, True, True), said
    assert not wrong.exists() or not wrong.stat().st_size


def test_a_database_that_was_moved_is_found_at_its_new_address(home: Path) -> None:
    moved = shutil.copy(home.parent / "far.sqlite3", home.parent / "moved.sqlite3")
    remember_settings(home, {"database_url": f"sqlite:///{moved}"})
    with started_home(home, {}) as container, container.database.read() as uow:
        assert [project.title for project in uow.projects.list()] == ["Discs"]
    assert "moved" in (home / NOTE).read_text()


@pytest.mark.parametrize("words", [["review"], ["up"], ["status"], ["backup", "beside.tar"]])
def test_a_stray_address_begins_no_home_anew_whose_work_is_in_it(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ensure_secrets(tmp_path / "home")
    remember_settings(tmp_path / "home", {"services": "elsewhere", "threads": 1})
    make_home(load_settings(tmp_path / "home"), frames=1, held_out=0)
    stray = tmp_path / "stray.sqlite3"
    with monkeypatch.context() as patched:
        patched.setenv(VARIABLE, f"sqlite:///{stray}")
        code, said = run(tmp_path / "home", *words)
    assert (code, "no project in sqlite:///" in said, "sonoloop.sqlite3" in said) == (1, True, True), said
    assert not (tmp_path / "home" / NOTE).exists()
    code, said = run(tmp_path / "home", "status")
    assert (code, "Discs" in said) == (0, True), said


def test_the_database_of_another_home_is_not_taken_for_this_ones(home: Path, tmp_path: Path) -> None:
    ensure_secrets(tmp_path / "other")
    other = load_settings(tmp_path / "other", threads=1)
    make_home(other, frames=1, held_out=0)
    with SqlDatabase(other.effective_database_url).write() as uow:
        uow.projects.add("Theirs", ("Vein",), {"home": home_key(other)})
        uow.commit()
    remember_settings(home, {"database_url": other.effective_database_url})
    code, said = run(home, "status")
    assert (code, "another home's projects in sqlite:///" in said) == (1, True), said


def test_a_file_by_a_relative_path_is_refused_for_it_is_another_in_every_folder(home: Path) -> None:
    remember_settings(home, {"database_url": "sqlite:///far.sqlite3"})
    code, said = run(home, "status")
    assert (code, "an absolute path" in said) == (1, True), said


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
        ("postgresql://me:42/hunter2@db.example/loop", "postgresql://db.example/loop"),
        ("postgresql://me:/hun#te?r2@db.example/loop", "postgresql://db.example/loop"),
    ],
)
def test_the_place_is_kept_and_no_password(tmp_path: Path, url: str, place: str) -> None:
    note_databases(load_settings(tmp_path, database_url=url))
    assert (tmp_path / NOTE).read_text() == f"{place}\n"
    with pytest.raises(NotFound, match="no SONOLOOP_DATABASE_URL"):
        require_noted_database(load_settings(tmp_path))


def test_a_home_with_its_own_database_keeps_nothing(tmp_path: Path) -> None:
    note_databases(load_settings(tmp_path))
    require_noted_database(load_settings(tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def home_on_postgresql(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Its Label Studio was started on PostgreSQL, by variables that are not set any more."""
    home = tmp_path / "home"
    settings = load_settings(home, threads=1)
    ensure_secrets(home)
    make_home(settings, frames=1, held_out=0)
    with monkeypatch.context() as patched:
        for name, value in LABEL_STUDIOS.items():
            patched.setenv(name, value)
        note_databases(settings)
    return home


@pytest.mark.parametrize("words", [["up"], ["demo"], ["backup", "{beside}.tar"]])
def test_label_studio_is_not_begun_anew_in_a_home_whose_labels_are_in_postgresql(
    home_on_postgresql: Path, words: list[str]
) -> None:
    before = sorted(home_on_postgresql.rglob("*"))
    beside = home_on_postgresql.parent / "beside"
    code, said = run(home_on_postgresql, *(each.format(beside=beside) for each in words))
    assert (code, LACKING in said) == (1, True), said
    assert sorted(home_on_postgresql.rglob("*")) == before
    assert not beside.with_suffix(".tar").exists()


def test_label_studio_is_not_run_on_another_database_whose_labels_would_count_as_deleted(
    home_on_postgresql: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (LABEL_STUDIOS | {"POSTGRE_NAME": "drill"}).items():
        monkeypatch.setenv(name, value)
    code, said = run(home_on_postgresql, "up")
    there = "postgresql://db.example:5433"
    assert (code, f"{there}/drill" in said, f"{there}/labels" in said) == (1, True, True), said
    assert "drill" not in (home_on_postgresql / LABEL_STUDIO_NOTE).read_text()


def test_status_and_doctor_say_it_of_label_studio_too(home_on_postgresql: Path) -> None:
    code, said = run(home_on_postgresql, "status")
    assert (code, LACKING in said, "Discs" in said) == (0, True, True), said
    finding = dict(examine(read_installation(home_on_postgresql)))["label studio's database"]
    assert (finding.state, finding.got) == (State.FAIL, LACKING)


def test_a_label_studio_that_others_start_needs_no_variables_here(
    home_on_postgresql: Path, tmp_path: Path
) -> None:
    """As in a worker's pod, which has no business with its database, and so cannot back it up either."""
    remember_settings(home_on_postgresql, {"services": "elsewhere"})
    with started_home(home_on_postgresql, {}):
        pass
    assert LACKING not in run(home_on_postgresql, "status")[1]
    code, said = run(home_on_postgresql, "backup", str(tmp_path / "b.tar"))
    assert (code, LACKING in said) == (1, True), said


@pytest.mark.parametrize("prefix", ["", "LABEL_STUDIO_", "HEARTEX_"])
def test_of_label_studios_database_the_place_is_kept_and_no_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prefix: str
) -> None:
    """By all the names under which Label Studio looks for a variable."""
    with monkeypatch.context() as patched:
        for name, value in LABEL_STUDIOS.items():
            patched.setenv(f"{prefix}{name}", value)
        note_databases(load_settings(tmp_path))
        require_noted_label_studio(load_settings(tmp_path))
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [LABEL_STUDIO_NOTE.name]
    assert (tmp_path / LABEL_STUDIO_NOTE).read_text() == "postgresql://db.example:5433/labels\n"
    with pytest.raises(NotFound, match="DJANGO_DB") as refused:
        require_noted_label_studio(load_settings(tmp_path))
    assert "hunter2" not in refused.value.message
