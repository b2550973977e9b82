from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import get_args

import pytest

from adapters.environment import load_settings, nearest_setting, unknown_variables
from adapters.home_files import remember_settings
from adapters.services.secrets import ensure_secrets
from adapters.settings import RecipeName, Strategy
from cli.home import choose_project, find_home, open_home
from db import SqlDatabase, open_database
from loop.errors import BadRequest, NotFound
from trainer.recipes import RECIPES
from trainer.uncertainty import MEASURES


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


def test_the_settings_know_every_recipe_and_strategy_of_the_trainer() -> None:
    assert set(get_args(RecipeName)) == {"auto", *RECIPES}
    assert set(get_args(Strategy)) == set(MEASURES)


@pytest.mark.parametrize(
    ("name", "value", "need"),
    [
        ("strategy", "foo", "one of boundary-entropy, flip-disagreement, random"),
        ("recipe", "quick", "one of auto, fast, general, paper, retinal, thorough"),
        ("image_size", "100", "a whole number, at least 0, a multiple of 32"),
        ("image_size", "-32", "a whole number, at least 0, a multiple of 32"),
        ("backend_port", "0", "a whole number, at least 1, at most 65535"),
        ("min_growth", "much", "a number, at least 0"),
        ("storage_url", "tape://reel", "an address of a kind that fsspec knows, such as s3://bucket/folder"),
        ("storage_url", "gs://bucket", "the Python package gcsfs for a gs:// address, or another store"),
    ],
)
def test_an_impossible_setting_is_refused_with_what_is_needed(
    tmp_path: Path, name: str, value: str, need: str
) -> None:
    with pytest.raises(BadRequest) as caught:
        load_settings(tmp_path, **{name: value})
    variable = f"SONOLOOP_{name.upper()}"
    assert caught.value.got == f"a value that does not fit for {variable}"
    assert caught.value.need == f"{variable}: {need}"
    assert "sonoloop.env" in caught.value.todo


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("strategy", "random"), ("recipe", "auto"), ("image_size", 0), ("image_size", 32)),
        *(("storage_url", ""), ("storage_url", "s3://bucket/x"), ("storage_url", "/mnt/store")),
    ],
)
def test_a_possible_setting_is_taken(tmp_path: Path, name: str, value: object) -> None:
    assert getattr(load_settings(tmp_path, **{name: value}), name) == value


def test_several_impossible_settings_are_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="SONOLOOP_RECIPE and SONOLOOP_STRATEGY"):
        load_settings(tmp_path, strategy="foo", recipe="quick")


@pytest.mark.parametrize(
    ("written", "meant"),
    [("BAKEND_PORT", "BACKEND_PORT"), ("THREAD", "THREADS"), ("TYPO", None), ("SALTT", None)],
)
def test_only_a_name_that_is_nearly_a_setting_is_taken_for_it_and_never_a_secret(
    written: str, meant: str | None
) -> None:
    assert nearest_setting(f"SONOLOOP_{written}") == (meant and f"SONOLOOP_{meant}")


def test_a_slip_of_the_pen_in_a_setting_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ensure_secrets(tmp_path)
    remember_settings(tmp_path, {"bakend_port": 1})
    monkeypatch.setenv("SONOLOOP_DATA", "for tests")
    assert unknown_variables(tmp_path) == ["SONOLOOP_BAKEND_PORT"]
    find_home(tmp_path)
    assert "did you mean SONOLOOP_BACKEND_PORT?" in capsys.readouterr().err
