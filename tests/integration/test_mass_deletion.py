"""Whoever looks at a home is told that many of its labels were deleted at once, and of the way back."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from adapters.bootstrap import build
from adapters.environment import load_settings
from adapters.home_files import remember_settings
from adapters.services.secrets import ensure_secrets
from adapters.settings import Settings
from cli.app import app
from cli.doctor.advice import same
from cli.doctor.examine import examine
from cli.doctor.findings import Finding, State
from cli.doctor.installation import read_installation
from loop.mirror import append_tombstone
from tests.machine import free_port
from tests.services.homes import make_home

LABELS = 15


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    """Fifteen labels; Label Studio is away."""
    root = tmp_path / "home"
    ensure_secrets(root)
    remember_settings(root, {"threads": 1, "label_studio_port": free_port(), "backend_port": free_port()})
    settings = load_settings(root)
    make_home(settings, frames=LABELS, held_out=1)
    return settings


def bury(home: Settings, count: int) -> datetime:
    moment = datetime.now(UTC)
    with closing(build(home)) as container, container.database.write() as uow:
        for number in range(count):
            append_tombstone(uow, 501 + number, moment)
        uow.commit()
    return moment


def said(home: Settings) -> str:
    done = CliRunner().invoke(app, ["status", "--home", str(home.root)], env={"COLUMNS": "300"})
    assert done.exit_code == 0, done.output
    return done.output


def found(home: Settings) -> Finding:
    return dict(examine(read_installation(home.root)))["deletions"]


def test_status_and_doctor_name_a_mass_deletion_and_the_way_back(home: Settings) -> None:
    moment = bury(home, 12)
    way_back = f"./sonoloop label restore --since {moment:%Y-%m-%dT%H:%M} --project 1"
    (line,) = (line for line in said(home).splitlines() if "were deleted" in line)
    assert "12 of 15 labels were deleted in Label Studio within an hour" in line
    assert line.endswith(f"; if that was not meant: {way_back}")
    finding = found(home)
    assert (finding.state, finding.todo) == (State.WARN, same(f"if that was not meant: {way_back}"))
    assert "12 of 15 labels" in finding.got


def test_a_few_deletions_are_nothing_to_speak_of(home: Settings) -> None:
    bury(home, 9)
    assert "were deleted" not in said(home)
    assert found(home).state is State.OK
