"""docker-compose.yml and what it builds on: complete, pinned, and in words that the program knows."""

from __future__ import annotations

import re
from importlib.util import find_spec
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
import yaml

from adapters.environment import load_settings
from adapters.home_files import read_env_file
from adapters.label_studio.server import BANNED, environment
from adapters.services.env_file import DRAW
from adapters.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILES = sorted((ROOT / "deploy").glob("*.Dockerfile"))
RUN_AND_END = {"folders", "sonoloop"}
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
    foreign = {"folders", "postgres", "valkey", "storage", "label-studio", "proxy"}
    watching = {"prometheus", "flower"}
    ours = {"backend", "worker-light", "worker-train-cpu", "worker-train-gpu", "beat", "sonoloop"}
    assert set(SERVICES) == foreign | watching | ours
    assert set(own_services()) == ours


def test_every_image_is_pinned_to_a_version() -> None:
    loose = [service["image"] for service in SERVICES.values() if not PINNED.search(service["image"])]
    bases = [
        line for file in DOCKERFILES for line in file.read_text().splitlines() if line.startswith("FROM")
    ]
    assert loose == []
    assert all(PINNED.search(line.partition(" AS ")[0]) for line in bases)


def test_no_image_comes_under_a_licence_that_we_keep_out() -> None:
    assert not re.search(r"image: *(minio|redis:([89]|7\.[4-9]))", TEXT)


def test_every_variable_is_explained_in_the_example_and_none_is_left_over() -> None:
    read_by_compose_itself = {"COMPOSE_PROJECT_NAME"}
    example = set(read_env_file(ROOT / "deploy" / "sonoloop.env.example"))
    assert example == variables() | read_by_compose_itself


def test_every_secret_must_be_filled_in_and_the_example_holds_none() -> None:
    example = read_env_file(ROOT / "deploy" / "sonoloop.env.example")
    secret = {name for name in example if re.search("PASSWORD|TOKEN|SECRET|KEY|SALT", name)}
    assert secret == set(DRAW)
    assert {name for name in secret if example[name]} == set()
    assert {name for name in secret if re.search(rf"\$\{{{name}(?!:\?)", TEXT)} == set()


def test_every_setting_that_it_gives_is_one_that_the_program_reads() -> None:
    given = {name for service in SERVICES.values() for name in service.get("environment", {})}
    ours = {name.removeprefix("SONOLOOP_").lower() for name in given if name.startswith("SONOLOOP_")}
    assert ours <= set(Settings.model_fields)


@pytest.mark.parametrize("name", sorted(own_services()))
def test_a_service_of_ours_runs_a_room_that_exists_on_outside_services_only(name: str) -> None:
    service = own_services()[name]
    python, flag, room, *_ = service.get("entrypoint") or command_of(service)
    assert (python, flag) == ("python", "-m")
    assert find_spec(room)
    environment = service["environment"]
    outside = ("DATABASE_URL", "REDIS_URL", "STORAGE_URL", "LABEL_STUDIO_URL")
    assert all(environment[f"SONOLOOP_{setting}"] for setting in outside)
    assert environment["SONOLOOP_SERVICES"] == "elsewhere"


def test_the_two_training_workers_differ_in_their_device_only() -> None:
    cpu, gpu = SERVICES["worker-train-cpu"], SERVICES["worker-train-gpu"]
    assert command_of(cpu) == command_of(gpu) == ["python", "-m", "worker", "train"]
    assert (cpu["profiles"], gpu["profiles"]) == (["cpu"], ["gpu"])
    assert gpu["environment"] == cpu["environment"]
    assert set(gpu) - set(cpu) == {"deploy"}
    (device,) = gpu["deploy"]["resources"]["reservations"]["devices"]
    assert device["capabilities"] == ["gpu"]


def test_what_a_service_waits_for_exists_and_can_tell_its_health() -> None:
    awaited = {name for service in SERVICES.values() for name in service.get("depends_on", {})}
    assert all("healthcheck" in SERVICES[name] for name in awaited - RUN_AND_END)


def test_every_service_that_stays_has_a_health_check_and_limits() -> None:
    staying = {name: service for name, service in SERVICES.items() if name not in RUN_AND_END}
    assert [name for name, service in staying.items() if not service["healthcheck"].get("test")] == []
    assert [name for name, service in SERVICES.items() if "mem_limit" not in service] == []


def test_where_cores_are_wanted_readers_come_first_then_drawing_then_training() -> None:
    shares = {name: service["cpu_shares"] for name, service in SERVICES.items() if "cpu_shares" in service}
    usual = 1024  # what Docker gives to all others
    assert shares.keys() == {"worker-light", "worker-train-cpu", "worker-train-gpu"}
    assert usual > shares["worker-light"] > shares["worker-train-cpu"] == shares["worker-train-gpu"]


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_service_can_do_little_beside_its_work(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["logging"]["options"]["max-size"]
    assert service["user"] != "0:0" or name in RUN_AND_END
    allowed = {"folders": ["CHOWN"], "proxy": ["NET_BIND_SERVICE"]}
    assert service.get("cap_add", []) == allowed.get(name, [])


@pytest.mark.parametrize("name", ["worker-light", "worker-train-cpu", "worker-train-gpu", "beat"])
def test_the_health_of_a_worker_is_asked_of_that_worker(name: str) -> None:
    service = SERVICES[name]
    role = command_of(service)[-1]
    assert service["healthcheck"]["test"] == ["CMD", "python", "-m", "worker.health", role]


def test_no_secret_stands_on_a_command_line() -> None:
    lines = [str([service.get("command"), service.get("entrypoint")]) for service in SERVICES.values()]
    assert not [line for line in lines if any(name in line for name in DRAW)]


def test_every_volume_and_every_mounted_file_exists() -> None:
    mounts = [
        str(volume).split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])
    ]
    files = {mount for mount in mounts if mount.startswith("./")}
    chosen = {mount for mount in mounts if mount.startswith("${")}  # a folder of the person's own
    assert set(mounts) - files - chosen == set(COMPOSE["volumes"])
    assert all((ROOT / file).is_file() for file in files)
    assert (ROOT / "deploy" / "certificates").is_dir()


def test_only_the_proxy_is_reachable_from_outside() -> None:
    open_ports = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert set(open_ports) == {"label-studio", "proxy"}
    assert open_ports["label-studio"] == ["${LABEL_STUDIO_BIND:-127.0.0.1}:${LABEL_STUDIO_PORT:-8080}:8080"]
    assert {port.split(":")[0] for port in open_ports["proxy"]} == {"80", "443", "${MONITORING_BIND"}
    assert COMPOSE["networks"]["default"]["internal"] is True
    assert [name for name, service in SERVICES.items() if "edge" in service.get("networks", [])] == [
        "label-studio",
        "proxy",
    ]


def test_label_studio_may_call_nothing_but_the_backend() -> None:
    """It stands in the network of readers too, which has a way out."""
    variables = SERVICES["label-studio"]["environment"]
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"):
        assert variables[name] == "http://127.0.0.1:9"
    assert variables["NO_PROXY"] == variables["no_proxy"] == "backend.internal"
    assert "ProxyHandler({})" in str(SERVICES["label-studio"]["healthcheck"]), "asked here, by no proxy"


def test_label_studio_runs_there_as_it_runs_here(tmp_path: Path) -> None:
    image = (ROOT / "deploy" / "label-studio.Dockerfile").read_text()
    there = {**SERVICES["label-studio"]["environment"], **dict(re.findall(r"([A-Z_]+)=(\S+)", image))}
    here = environment(load_settings(tmp_path, storage_url="s3://frames", services="elsewhere"))
    only_here = {"PYTHONDONTWRITEBYTECODE"}  # bytecode is made while the image is built
    assert "--compile-bytecode" in image
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
    edge = ip_network(COMPOSE["networks"]["edge"]["ipam"]["config"][0]["subnet"])
    assert edge in nets, "through it readers come in; nothing in it is called"


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: file.name)
def test_an_image_copies_what_exists_and_uses_the_launchers_uv(file: Path) -> None:
    text = file.read_text()
    copied = re.findall(r"^COPY ([^-\s]\S*) ", text, flags=re.MULTILINE)
    launcher = re.search(r"^UV_VERSION=(\S+)$", (ROOT / "sonoloop").read_text(), flags=re.MULTILINE)
    assert [source for source in copied if not (ROOT / source).exists()] == []
    assert launcher
    assert f"ARG UV_VERSION={launcher[1]}\n" in text


def test_the_app_image_holds_every_room() -> None:
    copied = re.findall(r"^COPY (\S+) ", (ROOT / "deploy" / "app.Dockerfile").read_text(), flags=re.MULTILINE)
    assert {"loop", "trainer", "db", "adapters", "ml_backend", "worker", "cli", "weights"} <= set(copied)


def test_the_image_holds_the_clients_of_the_servers_own_version() -> None:
    """An older pg_dump refuses a newer server."""
    text = (ROOT / "deploy" / "app.Dockerfile").read_text()
    assert f"FROM {SERVICES['postgres']['image']} AS postgres\n" in text
    assert "COPY --from=postgres /postgresql /postgresql\n" in text
    assert re.search(r"^ENV PATH=\S*:/postgresql:", text, flags=re.MULTILINE)
    needed = set(re.findall(r"^COPY (deploy/\S+) ", text, flags=re.MULTILINE))
    assert {f"!{name}" for name in needed} <= set((ROOT / ".dockerignore").read_text().splitlines())


def test_the_command_reaches_all_that_a_backup_holds() -> None:
    """Label Studio's database and uploads, and a folder outside the home for the file."""
    command, studio = SERVICES["sonoloop"], SERVICES["label-studio"]
    database = {name: value for name, value in studio["environment"].items() if name.startswith("POSTGRE_")}
    assert database.items() <= command["environment"].items()
    assert command["environment"]["DJANGO_DB"] == studio["environment"]["DJANGO_DB"]
    volumes = dict(str(volume).rsplit(":", 1)[::-1] for volume in command["volumes"])
    uploads = studio["volumes"][0].partition(":")[0]
    assert volumes["/data/label-studio"] == uploads
    assert volumes["/backup"] in {mount.rsplit(":", 1)[0] for mount in SERVICES["folders"]["volumes"]}
    made = "mkdir -p /data/frames /data/label-studio && chown -R sonoloop"
    assert made in (ROOT / "deploy" / "app.Dockerfile").read_text(), "else a new volume there is root's"
