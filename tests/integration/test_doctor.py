"""The doctor on homes whose services are stopped, each with something really broken."""

from __future__ import annotations

import json
import os
import resource
import socket
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from typer.testing import CliRunner

from adapters.bootstrap import build
from adapters.environment import load_settings
from adapters.home_files import SECRETS_FILE, SETTINGS_FILE, remember_settings
from adapters.services.secrets import ensure_secrets
from adapters.settings import Settings
from cli.app import app
from cli.doctor.examine import examine
from cli.doctor.findings import Finding, State
from cli.doctor.installation import read_installation
from cli.doctor.services import network
from tests.conftest import ROOT
from tests.contract.repositories.conftest import create_postgres_database
from tests.machine import free_port, give_up
from tests.services.disks import small_disk
from tests.services.homes import NOW, make_home
from tests.services.stand_in import StandIn, standing_in

MISSPELT = "SONOLOOP_STRATEGIE"


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    return made_home(tmp_path / "home")


def made_home(root: Path, **chosen: object) -> Settings:
    ensure_secrets(root)
    root.chmod(0o700)
    ports = {"label_studio_port": free_port(), "backend_port": free_port()}
    remember_settings(root, {"threads": 1, **ports, **chosen})
    make_home(load_settings(root), frames=4, held_out=1)
    return load_settings(root)


def found(home: Settings) -> dict[str, Finding]:
    return dict(examine(read_installation(home.root)))


def failing(home: Settings, name: str) -> str:
    """What the check of that name says, which has to fail."""
    finding = found(home)[name]
    assert finding.state is State.FAIL, finding
    assert finding.need or finding.todo
    return f"{finding.got} {finding.todo}"


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


def test_for_programs_it_prints_json_without_a_secret(home: Settings) -> None:
    done = CliRunner().invoke(app, ["doctor", "--json", "--home", str(home.root)])
    said = json.loads(done.output)
    assert said["ok"] is False
    assert {"check", "state", "got", "need", "do"} == set(said["checks"][0])
    secrets = [
        line.split("=")[1] for line in (home.root / SECRETS_FILE).read_text().splitlines() if "=" in line
    ]
    assert not [secret for secret in secrets if secret in done.output]


def test_a_folder_that_is_no_home_is_examined_too(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["doctor", "--home", str(tmp_path / "nowhere")])
    assert done.exit_code == 1
    assert "make one by ./sonoloop up" in " ".join(done.output.split())
    assert list(tmp_path.iterdir()) == []


def test_secrets_that_others_may_read(home: Settings) -> None:
    (home.root / SECRETS_FILE).chmod(0o644)
    assert "chmod 600" in failing(home, "secrets")


def test_a_secret_that_is_gone(home: Settings) -> None:
    path = home.root / SECRETS_FILE
    path.write_text("".join(line for line in path.open() if "SALT" not in line))
    assert "SONOLOOP_SALT" in failing(home, "secrets")
    path.unlink()
    assert "backup" in failing(home, "secrets")


def test_a_home_that_others_may_enter(home: Settings) -> None:
    home.root.chmod(0o755)
    finding = found(home)["home"]
    assert (finding.state, "chmod 700" in finding.todo) == (State.WARN, True)


def test_a_home_with_files_of_another_user(home: Settings) -> None:
    if os.geteuid() == 0:
        os.chown(home.root / "frames", 12345, 12345)
    else:  # who may give nothing away, but finds what is root's
        home = load_settings(Path("/usr"))
    assert "of another user" in failing(home, "home")


def test_a_home_that_may_not_be_written(home: Settings) -> None:
    home.root.chmod(0o500)
    readonly = home.root if os.geteuid() else Path("/proc")  # root may write anywhere else
    findings = found(load_settings(readonly))
    assert State.FAIL in (findings["home"].state, findings["disk"].state)


def test_a_disk_that_may_only_be_read(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 64) as disk:
        home = made_home(disk.folder / "home")
        if not disk.set_read_only():
            give_up("a file system of its own: this user may mount none")
        said = failing(home, "home")
        errors = [run(words, home) for words in COMMANDS]
    assert "a read-only file system" in said
    assert "cp -a" in said
    assert "chmod" not in said
    for error in errors:
        assert "mounted read-only" in error or "Read-only file system" in error, error
        assert "start it" not in error


COMMANDS = (["up"], ["backup", "{beside}.tar"], ["export", "{beside}"])


def run(words: list[str], home: Settings) -> str:
    """What a command says that has to fail, in one line."""
    beside = home.root.parents[1] / "beside"
    done = CliRunner().invoke(app, [*(w.format(beside=beside) for w in words), "--home", str(home.root)])
    assert done.exit_code == 1, done.output
    return " ".join(done.output.split())


def test_a_full_disk(home: Settings) -> None:
    """A quota of the process: whatever is written beyond it is refused as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        findings = found(home)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (findings["disk"].state, findings["disk"].got) == (State.FAIL, "a full disk")


def test_a_port_that_another_program_has(home: Settings) -> None:
    with socket.create_server(("127.0.0.1", home.backend_port)):
        said = failing(home, f"port {home.backend_port}")
    assert f"(process {os.getpid()})" in said
    assert "--backend-port" in said


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({}, "this machine alone"),
        ({"label_studio_public_url": "https://read.example"}, "HTTPS for readers"),
        ({"host": "0.0.0.0", "label_studio_public_url": "http://machine.example:8080"}, "label-studio"),  # noqa: S104
        ({"label_studio_public_url": "http://read.example"}, "readers, at http://read.example"),
        ({"backend_host": "10.1.2.3"}, "backend"),
    ],
)
def test_what_can_be_read_on_the_way_is_told(home: Settings, chosen: dict[str, str], said: str) -> None:
    remember_settings(home.root, chosen)
    finding = network(read_installation(home.root))
    is_plain = not said.startswith(("this", "HTTPS"))
    assert (finding.state, finding.got.removeprefix("plain HTTP beyond this machine: ")) == (
        State.WARN if is_plain else State.OK,
        said,
    )


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


def test_a_damaged_database(home: Settings) -> None:
    path = home.database_file
    content = bytearray(path.read_bytes())
    content[4096 * 3 : 4096 * 12] = b"\xff" * 4096 * 9
    path.write_bytes(content)
    assert "damaged" in failing(home, "database") or "backup" in failing(home, "database")


@pytest.mark.parametrize(("revision", "todo"), [("0001", "down, then up"), ("9999", "update Sonoloop")])
def test_a_database_of_another_sonoloop(home: Settings, revision: str, todo: str) -> None:
    with closing(sqlite3.connect(home.database_file)) as database:
        database.execute("UPDATE alembic_version SET version_num = ?", (revision,))
        database.commit()
    assert todo in failing(home, "database")


def test_a_database_that_does_not_answer_keeps_its_password(
    home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SONOLOOP_DATABASE_URL", "postgresql://sonoloop:hunter2hunter2@127.0.0.1:9/none")
    findings = found(home)
    assert findings["database"].state is State.FAIL
    assert "hunter2" not in repr(findings)


@pytest.mark.services
def test_postgresql_is_examined_as_well(postgres_url: str, tmp_path: Path) -> None:
    url = create_postgres_database(postgres_url, f"doctor_{os.getpid()}")
    finding = found(made_home(tmp_path / "home", database_url=url))["database"]
    assert (finding.state, finding.got.split(",")[0]) == (State.OK, "PostgreSQL")


@pytest.mark.parametrize(("kind", "pattern"), [("masks", "*.slm"), ("frames", "*.png")])
def test_stored_content_that_is_damaged_or_gone(home: Settings, kind: str, pattern: str) -> None:
    path = sorted((home.root / kind).rglob(pattern))[0]
    path.write_bytes(b"damaged")
    assert f"{kind} {path.stem[:12]}" in failing(home, "contents")
    path.unlink()
    assert f"{kind} {path.stem[:12]}" in failing(home, "contents")


def test_a_store_that_does_not_answer(home: Settings) -> None:
    (home.root / "embeddings").write_text("a file in the way")
    failing(home, "storage")


def test_input_that_was_set_aside(home: Settings) -> None:
    with closing(build(home)) as container, container.database.write() as uow:
        uow.marks.set_aside("frame", "a" * 64, "got no image", NOW)
        uow.commit()
    finding = found(home)["set aside"]
    assert (finding.state, "1 set aside" in finding.got) == (State.WARN, True)


def test_a_round_that_nobody_holds(home: Settings) -> None:
    with closing(build(home)) as container, container.database.write() as uow:
        uow.rounds.add(1, reason="by hand", seed=0, label_count=4, now=NOW)
        uow.commit()
    finding = found(home)["rounds"]  # the services are stopped: it can only wait
    assert (finding.state, finding.todo) == (State.WARN, "./sonoloop up")
    remember_settings(home.root, {"services": "elsewhere"})
    assert "round 1 held by nobody" in failing(home, "rounds")


class AnotherLabelStudio(StandIn):
    """Something else that answers where Label Studio should: another release, another hour."""

    def answer(self) -> None:
        self.say(200, json.dumps({"status": "UP", "release": "1.0.0", "email": "somebody@else.org"}).encode())

    def date_time_string(self, timestamp: float | None = None) -> str:
        return format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)


class Eavesdropper(StandIn):
    """Sits on a port of a home and answers all that it is asked."""

    heard: list[str] = []  # noqa: RUF012, read by one test

    def answer(self) -> None:
        self.heard.append(str(self.headers.get("Authorization")))
        self.say(200, b'{"status": "UP", "model_class": "SonoloopModel"}')


def test_whoever_sits_on_the_ports_of_a_stopped_home_hears_no_secret(tmp_path: Path) -> None:
    with standing_in(Eavesdropper) as first, standing_in(Eavesdropper) as second:
        numbers = [urlsplit(url).port for url in (first, second)]
        home = made_home(tmp_path / "home", label_studio_port=numbers[0], backend_port=numbers[1])
        findings = found(home)
    assert Eavesdropper.heard == []
    for name in ("label studio", "ml backend"):
        assert (findings[name].state, "another program on " in findings[name].got) == (State.FAIL, True)
    for number in numbers:
        assert f"(process {os.getpid()})" in findings[f"port {number}"].got


class Stranger(StandIn):
    """Answers every question alike."""

    def answer(self) -> None:
        self.say(200, b'{"status": "UP"}')


def test_a_strangers_answers_are_told_as_such(home: Settings) -> None:
    with standing_in(Stranger) as url:
        remember_settings(home.root, {"label_studio_url": url, "backend_url": url})
        findings = found(home)
    assert not [name for name, each in findings.items() if "nobody foresaw" in each.got]
    assert "an answer without what is looked for" in findings["token"].got


def test_another_label_studio_of_another_hour(home: Settings) -> None:
    with standing_in(AnotherLabelStudio) as url:
        remember_settings(home.root, {"label_studio_url": url})
        findings = found(home)
    assert findings["version"].state is State.FAIL
    assert findings["clock"].got.startswith("3600 s apart") or findings["clock"].got.startswith("3599")
    assert findings["token"].state is State.WARN


def test_a_label_studio_that_hangs_holds_up_the_rest_for_seconds_only(home: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        remember_settings(home.root, {"label_studio_url": f"http://127.0.0.1:{mute.getsockname()[1]}"})
        findings = found(home)
    assert "no answer" in findings["label studio"].got
    assert findings["token"].got == "not looked at, since `label studio` is not well"
    assert findings["rounds"].state is State.OK


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
