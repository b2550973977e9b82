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


@pytest.mark.parametrize(("written", "cores"), [("", 0.0), ("TRAIN_CPUS=0", 0.0), ("TRAIN_CPUS=1.5", 1.5)])
def test_training_keeps_to_the_cores_that_the_env_file_names(
    env_file: Path, written: str, cores: float
) -> None:
    kept = [line for line in env_file.read_text().splitlines() if not line.startswith("TRAIN_CPUS=")]
    env_file.write_text("\n".join([*kept, written, ""]))
    services = resolved(demand(COMPOSE), env_file, *PROFILES)["services"]
    limits = {name: float(service.get("cpus") or 0) for name, service in services.items()}
    training = {"worker-train-cpu": cores, "worker-train-gpu": cores}
    assert limits == dict.fromkeys(services, 0.0) | training


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
