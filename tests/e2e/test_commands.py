"""The command on real homes whose services are stopped: real files, database and storage."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pycocotools.coco import COCO
from typer.testing import CliRunner, Result

from adapters.home_files import remember_settings
from adapters.services.secrets import ensure_secrets
from cli.app import app
from tests.services.homes import make_home, make_settings

ROOT = Path(__file__).resolve().parents[2]
FRAMES, HELD_OUT = 8, 2


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with one project of labelled discs, as readers left it before the services were stopped."""
    folder = tmp_path_factory.mktemp("commands")
    settings = make_settings(folder)
    make_home(settings, frames=FRAMES, held_out=HELD_OUT)
    ensure_secrets(settings.root)
    remember_settings(settings.root, {"label_studio_url": settings.label_studio_url})
    return settings.root


def run(*words: str | Path, code: int = 0) -> Result:
    """The command in this process; every ending but the expected one fails the test."""
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    assert result.exit_code == code, result.output
    return result


@pytest.fixture
def busy_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])


@pytest.mark.parametrize("words", [("bogus",), ("promote",), ("add",), ("up", "--label-studio-port", "0")])
def test_a_line_that_cannot_be_parsed_ends_with_2(words: tuple[str, ...]) -> None:
    assert "Usage" in run(*words, code=2).output


@pytest.mark.parametrize(
    "words",
    [
        *(("status",), ("logs",), ("round",), ("cancel",), ("rollback",), ("review",)),
        *(("add", "."), ("promote", "p1-v1"), ("export", "out")),
    ],
)
def test_without_a_home_every_command_says_how_to_make_one(tmp_path: Path, words: tuple[str, ...]) -> None:
    output = run(*words, "--home", tmp_path / "nowhere", code=1).output
    assert "no home in" in output
    assert "./sonoloop up" in output
    assert list(tmp_path.iterdir()) == []


def test_down_may_be_repeated_and_needs_no_home(tmp_path: Path, home: Path) -> None:
    assert "nothing was running" in run("down", "--home", tmp_path / "nowhere").output
    assert "nothing was running" in run("down", "--home", home).output


def test_a_half_made_home_has_a_status_and_no_database(empty_home: Path) -> None:
    output = run("status", "--home", empty_home).output
    assert "redis stopped" in output
    assert "no database in this home yet" in output
    assert "up --frames" in run("round", "--home", empty_home, code=1).output


def test_status_shows_labels_and_stopped_services(home: Path) -> None:
    output = run("status", "--home", home).output
    assert "./sonoloop up" in output
    assert f"{FRAMES} of {FRAMES} frames labelled ({FRAMES} from scratch)" in output


def test_status_answers_without_loading_what_only_a_training_needs(home: Path) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "cli", "status", "--home", str(home)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    assert "project 1  Discs (vein)" in done.stdout
    loaded = {line.split("|")[-1].strip() for line in done.stderr.splitlines()}
    assert {"cli.status", "sqlalchemy"} <= loaded
    assert not {"torch", "scipy", "matplotlib", "celery", "fsspec", "alembic"} & loaded


def test_a_database_that_cannot_be_read_does_not_hide_the_services(empty_home: Path) -> None:
    (empty_home / "db").mkdir()
    (empty_home / "db" / "sonoloop.sqlite3").write_bytes(b"")
    output = run("status", "--home", empty_home, code=1).output
    assert "redis stopped" in output
    assert "a database without our tables" in output


def test_export_writes_a_dataset_that_pycocotools_reads(home: Path, tmp_path: Path) -> None:
    target = tmp_path / "dataset"
    assert f"{FRAMES} frames (0 without a region)" in run("export", target, "--home", home).output
    coco = COCO(target / "coco" / "annotations" / "instances_all.json")
    assert len(coco.getImgIds()) == FRAMES
    assert json.loads((target / "dataset.json").read_text())["counts"]["by_split"]["test"] == HELD_OUT


def test_export_leaves_a_folder_alone_that_holds_something(home: Path, tmp_path: Path) -> None:
    (tmp_path / "kept.txt").write_text("kept")
    assert "what to do" in run("export", tmp_path, "--home", home, code=1).output
    assert [path.name for path in tmp_path.iterdir()] == ["kept.txt"]


def test_export_to_a_place_that_cannot_be_written_says_so(home: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for target in (tmp_path / "file" / "dataset", tmp_path / "file" / "deeper" / "dataset", Path("/proc/x")):
        output = run("export", target, "--home", home, code=1).output
        assert "a target where no folder can be made" in output
        assert "name a folder elsewhere" in output
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_review_counts_what_needs_a_person(home: Path) -> None:
    output = run("review", "--home", home).output
    assert "frames skipped by two readers: 0" in output
    assert "inputs set aside: 0" in output


def test_promoting_an_unknown_version_lists_those_that_are_there(home: Path) -> None:
    assert "one of: p1-v0" in run("promote", "p1-v9", "--home", home, code=1).output


def test_rolling_back_the_first_version_is_refused(home: Path) -> None:
    assert "no version that served before" in run("rollback", "--home", home, code=1).output


def test_a_round_that_nobody_hears_of_waits_and_can_be_cancelled(home: Path) -> None:
    output = run("round", "--wait", "--home", home).output
    assert "round 1 is planned" in output
    assert "./sonoloop up starts them" in output
    assert "round 1 is planned" in run("round", "--home", home, code=1).output
    assert "round 1 cancelled" in run("cancel", "--home", home).output
    assert "cancelled by hand" in run("status", "--home", home).output
    assert "no round is in progress" in run("cancel", "--home", home).output


def test_adding_to_a_stopped_home_changes_nothing_and_says_what_to_start(
    empty_home: Path, tmp_path: Path
) -> None:
    make_home(make_settings(tmp_path), frames=1, held_out=0)
    before = sorted((empty_home / "frames").rglob("*"))
    output = run("add", ROOT / "docs" / "pictures", "--home", empty_home, code=1).output
    assert "start it by ./sonoloop up" in output
    assert sorted((empty_home / "frames").rglob("*")) == before


def test_adding_a_folder_that_is_none_is_refused(home: Path) -> None:
    assert "no folder" in run("add", home / "nowhere", "--home", home, code=1).output


def test_a_busy_port_is_refused_with_a_free_one_and_not_remembered(tmp_path: Path, busy_port: int) -> None:
    home = tmp_path / "home"
    output = run("up", "--label-studio-port", str(busy_port), "--home", home, code=1).output
    assert f"port {busy_port} (for label-studio) in use" in output
    assert re.search(r"--label-studio-port \d+", output)
    assert not (home / "sonoloop.env").exists()
    assert "redis stopped" in run("status", "--home", home).output


def test_an_impossible_start_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    home = tmp_path / "home"
    for words in (["--frames", tmp_path / "nowhere"], ["--classes", "Vein,Vein"], ["--recipe", "quick"]):
        run("up", *words, "--home", home, code=1)
    run("demo", "--frames", tmp_path, "--home", home, code=1)
    assert not home.exists()


def test_a_setting_that_does_not_fit_is_named_without_a_traceback(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SONOLOOP_LEASE_SECONDS", "soon")
    assert "SONOLOOP_LEASE_SECONDS: a whole number" in run("status", "--home", home, code=1).output


def test_an_unreadable_database_address_comes_with_what_to_do(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SONOLOOP_DATABASE_URL", "junk")
    assert "what to do: mend SONOLOOP_DATABASE_URL" in run("review", "--home", home, code=1).output


def test_an_unknown_service_lists_those_that_are_there(home: Path) -> None:
    output = run("logs", "label-studo", "--home", home, code=1).output
    assert "worker-train" in output
    assert "what to do: name one of them" in output
