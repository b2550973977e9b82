"""The doctor's command on stopped homes, and what it says of settings and of the installation."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from adapters.home_files import SECRETS_FILE, SETTINGS_FILE, remember_settings
from adapters.settings import Settings
from cli.app import app
from cli.doctor.findings import State
from cli.doctor.installation import read_installation
from tests.conftest import ROOT
from tests.integration.doctor.homes import found
from tests.services.commands import ended, start_command

MISSPELT = "SONOLOOP_STRATEGIE"


def test_services_that_run_elsewhere_are_not_looked_for_here(home: Settings) -> None:
    remember_settings(home.root, {"services": "elsewhere"})
    findings = found(home)
    assert (findings["services"].got, findings["label studio's packages"].got) == ("elsewhere", "elsewhere")
    assert not [name for name in findings if name.startswith("port")]


def test_a_stopped_home_is_well_but_for_what_does_not_run(home: Settings) -> None:
    findings = found(home)
    assert "./sonoloop up" in findings["services"].todo
    bad = {name for name, each in findings.items() if each.state is State.FAIL}
    assert bad == {"services", "redis", "ml backend", "label studio"}
    assert findings["workers"].got == "not looked at, since `redis` is not well"
    assert findings["contents"].got.startswith("4 of 4 frames, 4 of 4 masks")


def test_it_changes_nothing(home: Settings) -> None:
    before = {path: path.stat().st_mtime_ns for path in home.root.rglob("*") if path.is_file()}
    found(home)
    after = {path: path.stat().st_mtime_ns for path in home.root.rglob("*") if path.is_file()}
    assert {path for path in after if "-shm" not in path.name and "-wal" not in path.name} == before.keys()
    assert all(after[path] == before[path] for path in before if "db" not in path.parts)


def test_the_command_prints_a_line_a_check_and_fails(home: Settings) -> None:
    done = CliRunner().invoke(app, ["doctor", "--home", str(home.root)], env={"COLUMNS": "80"})
    assert done.exit_code == 1
    assert max(map(len, done.output.splitlines())) <= 80
    assert "FAIL  services" in done.output


def test_for_programs_it_prints_json_without_a_secret(
    home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a process of its own, as a program has it: what other parts of this one log or print is none of it.
    Build servers force colours, which make a pipe a terminal.
    """
    monkeypatch.setenv("FORCE_COLOR", "1")
    code, printed, noted = ended(start_command("doctor", "--json", "--home", home.root))
    said = json.loads(printed)
    assert (code, said["ok"]) == (1, False)
    assert {"check", "state", "got", "need", "do"} == set(said["checks"][0])
    secrets = [
        line.split("=")[1] for line in (home.root / SECRETS_FILE).read_text().splitlines() if "=" in line
    ]
    assert not [secret for secret in secrets if secret in printed + noted]


def test_a_folder_that_is_no_home_is_examined_too(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["doctor", "--home", str(tmp_path / "nowhere")])
    assert done.exit_code == 1
    assert "make one by ./sonoloop up" in " ".join(done.output.split())
    assert list(tmp_path.iterdir()) == []


def test_a_setting_that_is_none(home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MISSPELT, "random")
    finding = found(home)["settings"]
    assert (finding.state, "perhaps SONOLOOP_STRATEGY" in finding.got) == (State.WARN, True)


def test_a_line_of_settings_that_says_nothing(home: Settings) -> None:
    with (home.root / SETTINGS_FILE).open("a") as file:
        file.write("  # a remark\nSONOLOOP_SEED 7\n")
    assert "line 5" in found(home)["settings"].got


def test_a_value_that_does_not_fit_stops_no_other_check(
    home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SONOLOOP_THREADS", "many")
    remember_settings(home.root, {"lease_seconds": "long"})
    findings = found(home)
    assert (findings["settings"].state, findings["database"].state) == (State.FAIL, State.OK)
    kept = read_installation(home.root).settings
    assert kept == home.model_copy(update={"threads": 0, "lease_seconds": 60}), "the others are taken as set"


def test_more_threads_than_cores(home: Settings) -> None:
    remember_settings(home.root, {"threads": 4096})
    assert found(home)["processor"].state is State.WARN


def test_packages_that_differ_from_the_lock(
    home: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lock = (ROOT / "requirements" / "app.lock").read_text()
    (tmp_path / "app.lock").write_text(lock.replace("typer==", "typer==99."))
    (tmp_path / "label-studio.lock").write_text("label-studio==99\n")
    monkeypatch.setattr("cli.doctor.machine.LOCKS", tmp_path)
    findings = found(home)
    assert findings["packages"].got.startswith("typer ")
    assert findings["label studio's packages"].state is State.FAIL
