from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from adapters.services.secrets import ensure_secrets
from adapters.settings import load_settings, remember_settings, unknown_variables
from cli.home import choose_project, find_home, open_home
from db import SqlDatabase, open_database
from loop.errors import BadRequest, NotFound


@pytest.fixture
def database(tmp_path: Path) -> Iterator[SqlDatabase]:
    with closing(open_database(f"sqlite:///{tmp_path / 'x.sqlite3'}")) as opened:
        yield opened


def add_projects(database: SqlDatabase, *kinds: str) -> None:
    with database.write() as uow:
        for kind in kinds:
            uow.projects.add(kind, ["vein"], {"kind": kind})
        uow.commit()


def chosen(database: SqlDatabase, number: int = 0) -> int:
    with database.read() as uow:
        return choose_project(uow, number).id


def test_the_newest_project_that_is_no_demo_is_meant(database: SqlDatabase) -> None:
    add_projects(database, "work", "work", "demo")
    assert chosen(database) == 2
    assert chosen(database, 3) == 3


def test_a_demo_is_meant_where_there_is_nothing_else(database: SqlDatabase) -> None:
    add_projects(database, "demo", "demo")
    assert chosen(database) == 2


def test_a_home_without_a_project_says_how_to_make_one(database: SqlDatabase) -> None:
    with pytest.raises(NotFound, match="up --frames"):
        chosen(database)


def test_a_project_that_is_not_there_is_refused(database: SqlDatabase) -> None:
    with pytest.raises(NotFound):
        chosen(database, 9)


def test_a_folder_without_a_home_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="--home"), open_home(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_home_is_known_by_its_secrets(tmp_path: Path) -> None:
    ensure_secrets(tmp_path)
    assert find_home(tmp_path).root == tmp_path


def test_remembered_ports_are_found_by_later_commands_and_other_lines_stay(tmp_path: Path) -> None:
    (tmp_path / "sonoloop.env").write_text("# ours\nSONOLOOP_MIN_NEW_LABELS=7\nSONOLOOP_BACKEND_PORT=1\n")
    remember_settings(tmp_path, {"backend_port": 9191, "label_studio_port": 8181})
    settings = load_settings(tmp_path)
    assert (settings.backend_port, settings.label_studio_port, settings.min_new_labels) == (9191, 8181, 7)
    assert (tmp_path / "sonoloop.env").read_text().startswith("# ours\n")
    assert [path.name for path in tmp_path.iterdir()] == ["sonoloop.env"]


def test_the_environment_wins_over_the_home_and_an_option_over_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remember_settings(tmp_path, {"backend_port": 9191})
    monkeypatch.setenv("SONOLOOP_BACKEND_PORT", "9292")
    assert load_settings(tmp_path).backend_port == 9292
    assert load_settings(tmp_path, backend_port=9393).backend_port == 9393


@pytest.mark.parametrize("value", ["no number", "0", "70000"])
def test_a_setting_that_does_not_fit_is_named_and_its_value_kept_quiet(tmp_path: Path, value: str) -> None:
    remember_settings(tmp_path, {"backend_port": value})
    with pytest.raises(BadRequest, match=r"SONOLOOP_BACKEND_PORT.*sonoloop\.env") as caught:
        load_settings(tmp_path)
    assert "no number" not in caught.value.message


def test_a_slip_of_the_pen_in_a_setting_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ensure_secrets(tmp_path)
    remember_settings(tmp_path, {"bakend_port": 1})
    monkeypatch.setenv("SONOLOOP_DATA", "for tests")
    assert unknown_variables(tmp_path) == ["SONOLOOP_BAKEND_PORT"]
    find_home(tmp_path)
    assert "did you mean SONOLOOP_BACKEND_PORT?" in capsys.readouterr().err
