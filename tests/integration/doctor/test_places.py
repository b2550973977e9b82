"""What the doctor says of folders, disks and ports that are really in a bad way."""

from __future__ import annotations

import os
import resource
import socket
from pathlib import Path

import pytest
from typer.testing import CliRunner

from adapters.environment import load_settings
from adapters.home_files import SECRETS_FILE, remember_settings
from adapters.settings import Settings
from cli.app import app
from cli.doctor.findings import State
from cli.doctor.installation import read_installation
from cli.doctor.services import network
from tests.integration.doctor.homes import failing, found, made_home
from tests.machine import give_up
from tests.services.disks import small_disk


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
