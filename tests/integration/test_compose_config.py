"""docker-compose.yml as Docker Compose reads it, with the env file that `./sonoloop secrets` writes."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from adapters.home_files import read_env_file
from cli.secrets import EXAMPLE, write_secrets
from cli.system_parts import COMPOSE
from tests.conftest import demand
from tests.services.compose import ROOT, resolved

PROFILES = ("cpu", "gpu", "proxy", "monitoring", "command")


@pytest.fixture
def env_file(tmp_path: Path) -> Path:
    write_secrets(tmp_path / "sonoloop.env")
    return tmp_path / "sonoloop.env"


def test_every_profile_is_understood_and_every_variable_filled_in(env_file: Path) -> None:
    compose = demand(COMPOSE)
    whole = resolved(compose, env_file, *PROFILES)
    named = {profile for service in whole["services"].values() for profile in service.get("profiles", [])}
    assert named == set(PROFILES)
    assert "${" not in str(whole)
    assert (
        str(whole["services"]["backend"]["environment"]).count(read_env_file(env_file)["POSTGRES_PASSWORD"])
        == 1
    )
    assert resolved(compose, env_file)["services"].keys() >= {"postgres", "label-studio", "backend", "beat"}


def test_nothing_starts_on_the_example_alone() -> None:
    done = subprocess.run(
        [str(demand(COMPOSE)), "--env-file", str(EXAMPLE), "config"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "run ./sonoloop secrets" in done.stderr
