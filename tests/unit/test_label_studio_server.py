"""How the Label Studio process is run: what may it call, what it tells the world, where it keeps things."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest
from pydantic import SecretStr

from adapters.label_studio.server import BANNED, backend_addresses, closed_networks, command, environment
from adapters.settings import Settings
from loop.errors import BadRequest


def settings(home: Path, **more: object) -> Settings:
    return Settings(home=home, **more)  # type: ignore[arg-type]


def is_closed(address: str, variables: dict[str, str]) -> bool:
    networks = variables["USER_ADDITIONAL_BANNED_SUBNETS"].split(",")
    return any(ipaddress.ip_address(address) in ipaddress.ip_network(network) for network in networks)


def test_the_guard_is_opened_for_the_backends_address_and_no_other(tmp_path: Path) -> None:
    variables = environment(settings(tmp_path))
    assert variables["SSRF_PROTECTION_ENABLED"] == "true"
    assert not is_closed("127.0.0.1", variables)
    closed = [
        "127.0.0.2",
        "127.0.1.1",
        "10.0.0.1",
        "169.254.169.254",
        "172.17.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "::1",
    ]
    assert [address for address in closed if not is_closed(address, variables)] == []


def test_a_backend_elsewhere_opens_its_own_address_only(tmp_path: Path) -> None:
    variables = environment(settings(tmp_path, backend_url="http://192.168.7.9:9090"))
    assert not is_closed("192.168.7.9", variables)
    assert is_closed("192.168.7.8", variables)
    assert is_closed("127.0.0.1", variables)


def test_nothing_opened_leaves_every_default_network_closed() -> None:
    assert closed_networks([]) == [ipaddress.ip_network(network) for network in BANNED]


def test_opened_addresses_leave_all_others_of_their_network_closed() -> None:
    opened = [ipaddress.ip_address("10.1.2.3"), ipaddress.ip_address("fd00::5")]
    count = sum(network.num_addresses for network in closed_networks(opened))
    assert count == sum(ipaddress.ip_network(network).num_addresses for network in BANNED) - 2


def test_a_backend_host_that_nobody_knows_is_refused_with_the_setting_to_change(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="SONOLOOP_BACKEND_URL"):
        backend_addresses(settings(tmp_path, backend_url="http://no-such-host.invalid:9090"))


def test_nothing_is_told_to_the_outside(tmp_path: Path) -> None:
    variables = environment(settings(tmp_path))
    assert variables["LABEL_STUDIO_COLLECT_ANALYTICS"] == "false"
    assert variables["LABEL_STUDIO_LATEST_VERSION_CHECK"] == "false"
    assert variables["GIT_DIR"] == "/dev/null"
    assert variables["LABEL_STUDIO_SENTRY_DSN"] == variables["LABEL_STUDIO_FRONTEND_SENTRY_DSN"] == ""
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"):
        assert variables[name] == "http://127.0.0.1:9"


def test_an_object_store_of_the_departments_own_is_reached_by_plain_http(tmp_path: Path) -> None:
    assert "HTTP_PROXY" not in environment(settings(tmp_path, storage_url="s3://frames/x"))


def test_the_way_to_the_backend_leads_through_no_proxy(tmp_path: Path) -> None:
    variables = environment(settings(tmp_path, backend_url="https://127.0.0.1:9443"))
    assert variables["NO_PROXY"] == variables["no_proxy"] == "127.0.0.1"


def test_it_serves_files_from_the_folder_of_frames_alone(tmp_path: Path) -> None:
    variables = environment(settings(tmp_path))
    assert variables["LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT"] == str(tmp_path / "frames")


def test_accounts_come_from_the_settings_and_the_session_key_from_the_secrets(tmp_path: Path) -> None:
    (tmp_path / "secrets.env").write_text("LABEL_STUDIO_SECRET_KEY=drawn\n")
    secret = {"admin_password": SecretStr("pass"), "label_studio_token": SecretStr("tok")}
    variables = environment(settings(tmp_path, admin_email="a@b.org", **secret))
    assert variables["SECRET_KEY"] == "drawn"
    assert variables["LABEL_STUDIO_USERNAME"] == "a@b.org"
    assert variables["LABEL_STUDIO_PASSWORD"] == "pass"
    assert variables["LABEL_STUDIO_USER_TOKEN"] == "tok"


def test_a_task_stays_with_its_reader_as_long_as_the_settings_say(tmp_path: Path) -> None:
    assert environment(settings(tmp_path, lock_minutes=30))["TASK_LOCK_TTL"] == "1800"


def test_pages_use_relative_addresses_unless_there_is_a_public_one(tmp_path: Path) -> None:
    assert environment(settings(tmp_path))["LABEL_STUDIO_HOST"] == ""
    public = environment(settings(tmp_path, label_studio_public_url="https://read.hospital.org/studio"))
    assert public["LABEL_STUDIO_HOST"] == "https://read.hospital.org/studio"


def test_the_command_names_the_address_and_no_secret(tmp_path: Path) -> None:
    secret = {"admin_password": SecretStr("pass-word"), "label_studio_token": SecretStr("to-ken")}
    words = command(settings(tmp_path, host="127.0.0.1", label_studio_port=8123, **secret))
    assert words[words.index("--internal-host") + 1] == "127.0.0.1"
    assert words[words.index("--port") + 1] == "8123"
    assert not {"pass-word", "to-ken"} & set(words)
