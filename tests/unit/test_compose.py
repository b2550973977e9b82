"""docker-compose.yml and what it builds on: complete, pinned, and in words that the program knows."""

from __future__ import annotations

import re
from importlib.util import find_spec
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
import yaml

from adapters.label_studio.server import BANNED, environment
from adapters.settings import Settings, load_settings, read_env_file

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILES = sorted((ROOT / "deploy").glob("*.Dockerfile"))
PINNED = re.compile(r":v?\d+\.\d+(\.\d+)?(-[\w.${}:-]+)?$")


def variables() -> set[str]:
    return set(re.findall(r"\$\{([A-Z0-9_]+)", TEXT))


def own_services() -> dict[str, dict[str, Any]]:
    return {
        name: service
        for name, service in SERVICES.items()
        if "SONOLOOP_HOME" in service.get("environment", {})
    }


def command_of(service: dict[str, Any]) -> list[str]:
    return [str(word) for word in service["command"]]


def test_every_part_of_a_department_stands_in_it() -> None:
    assert set(SERVICES) == {
        "postgres",
        "valkey",
        "storage",
        "label-studio",
        "backend",
        "worker-light",
        "worker-train-cpu",
        "worker-train-gpu",
        "beat",
    }


def test_every_image_is_pinned_to_a_version() -> None:
    loose = [service["image"] for service in SERVICES.values() if not PINNED.search(service["image"])]
    bases = [
        line for file in DOCKERFILES for line in file.read_text().splitlines() if line.startswith("FROM")
    ]
    assert loose == []
    assert all(PINNED.search(line) for line in bases)


def test_no_image_comes_under_a_licence_that_we_keep_out() -> None:
    assert not re.search(r"image: *(minio|redis:([89]|7\.[4-9]))", TEXT)


def test_every_variable_is_explained_in_the_example_and_none_is_left_over() -> None:
    assert set(read_env_file(ROOT / "deploy" / "sonoloop.env.example")) == variables()


def test_every_secret_must_be_filled_in_and_the_example_holds_none() -> None:
    example = read_env_file(ROOT / "deploy" / "sonoloop.env.example")
    secret = {name for name in example if re.search("PASSWORD|TOKEN|SECRET|KEY", name)}
    assert {name for name in secret if example[name]} == set()
    assert {name for name in secret if re.search(rf"\$\{{{name}(?!:\?)", TEXT)} == set()


def test_every_setting_that_it_gives_is_one_that_the_program_reads() -> None:
    given = {name for service in SERVICES.values() for name in service.get("environment", {})}
    ours = {name.removeprefix("SONOLOOP_").lower() for name in given if name.startswith("SONOLOOP_")}
    assert ours <= set(Settings.model_fields)


@pytest.mark.parametrize("name", sorted(own_services()))
def test_a_service_of_ours_runs_a_room_that_exists_on_outside_services_only(name: str) -> None:
    service = own_services()[name]
    python, flag, room, *_ = command_of(service)
    assert (python, flag) == ("python", "-m")
    assert find_spec(room)
    environment = service["environment"]
    outside = ("DATABASE_URL", "REDIS_URL", "STORAGE_URL", "LABEL_STUDIO_URL")
    assert all(environment[f"SONOLOOP_{setting}"] for setting in outside)


def test_the_two_training_workers_differ_in_their_device_only() -> None:
    cpu, gpu = SERVICES["worker-train-cpu"], SERVICES["worker-train-gpu"]
    assert command_of(cpu) == command_of(gpu) == ["python", "-m", "worker", "train"]
    assert (cpu["profiles"], gpu["profiles"]) == (["cpu"], ["gpu"])
    assert "deploy" not in cpu
    (device,) = gpu["deploy"]["resources"]["reservations"]["devices"]
    assert device["capabilities"] == ["gpu"]


def test_what_a_service_waits_for_exists_and_can_tell_its_health() -> None:
    awaited = {name for service in SERVICES.values() for name in service.get("depends_on", {})}
    assert all("healthcheck" in SERVICES[name] for name in awaited)


def test_every_volume_and_every_mounted_file_exists() -> None:
    mounts = [
        str(volume).split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])
    ]
    files = {mount for mount in mounts if mount.startswith("./")}
    assert set(mounts) - files == set(COMPOSE["volumes"])
    assert all((ROOT / file).is_file() for file in files)


def test_only_label_studio_is_reachable_from_outside() -> None:
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["label-studio"]


def test_label_studio_runs_there_as_it_runs_here(tmp_path: Path) -> None:
    image = (ROOT / "deploy" / "label-studio.Dockerfile").read_text()
    there = {**SERVICES["label-studio"]["environment"], **dict(re.findall(r"([A-Z_]+)=(\S+)", image))}
    here = environment(load_settings(tmp_path, storage_url="s3://frames"))
    only_here = {"PYTHONDONTWRITEBYTECODE"}  # bytecode is made while the image is built
    assert set(here) - set(there) == only_here
    same = re.compile(
        "LEGACY|SIGNUP|CORS|DEBUG|TTL|COLLECT|VERSION_CHECK|DSN|PROXY_|DEFAULT_BANNED|SSRF|LOG_LEVEL|MODULE"
    )
    assert {name: there[name] for name in here if same.search(name)} == {
        name: value for name, value in here.items() if same.search(name)
    }
    assert "COPY adapters/label_studio/inside /sonoloop" in image
    assert there["PYTHONPATH"] == "/sonoloop"


def test_label_studio_reaches_this_network_and_no_other_private_one() -> None:
    banned = SERVICES["label-studio"]["environment"]["USER_ADDITIONAL_BANNED_SUBNETS"].strip().split(",")
    nets = [ip_network(net) for net in banned]
    own = ip_network(COMPOSE["networks"]["default"]["ipam"]["config"][0]["subnet"])
    assert not any(net.overlaps(own) for net in nets if net.version == own.version)
    covered = {net for net in map(ip_network, BANNED) if any(net == each for each in nets)}
    assert set(map(ip_network, BANNED)) - covered == {ip_network("172.16.0.0/12")}
    whole = ip_network("172.16.0.0/12")
    inside = [net for net in nets if net.version == 4 and net.subnet_of(whole)]  # type: ignore[arg-type]
    assert sum(net.num_addresses for net in inside) + own.num_addresses == whole.num_addresses


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: file.name)
def test_an_image_copies_what_exists_and_uses_the_launchers_uv(file: Path) -> None:
    text = file.read_text()
    copied = re.findall(r"^COPY (\S+) ", text, flags=re.MULTILINE)
    launcher = re.search(r"^UV_VERSION=(\S+)$", (ROOT / "sonoloop").read_text(), flags=re.MULTILINE)
    assert [source for source in copied if not (ROOT / source).exists()] == []
    assert launcher
    assert f"ARG UV_VERSION={launcher[1]}\n" in text


def test_the_app_image_holds_every_room() -> None:
    copied = re.findall(r"^COPY (\S+) ", (ROOT / "deploy" / "app.Dockerfile").read_text(), flags=re.MULTILINE)
    assert {"loop", "trainer", "db", "adapters", "ml_backend", "worker", "cli", "weights"} <= set(copied)
