"""Where the services are reached, from what they bind to and what a person set."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.environment import load_settings
from adapters.services.programs import BACKEND, LABEL_STUDIO, ports, service_names
from cli.services import started_home
from loop.errors import BadRequest

EVERYWHERE = "0.0.0.0"  # noqa: S104, nothing is bound to it


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("127.0.0.1", "127.0.0.1"),
        (EVERYWHERE, "127.0.0.1"),
        ("::", "[::1]"),
        ("10.1.2.3", "10.1.2.3"),
        ("fd00::7", "[fd00::7]"),
        ("machine", "machine"),
    ],
)
def test_our_own_processes_call_an_address_that_can_be_called(host: str, own: str) -> None:
    settings = load_settings(host=host, backend_host=host)
    assert settings.effective_label_studio_url == f"http://{own}:8080"
    assert settings.effective_backend_url == f"http://{own}:9090"


def test_letting_readers_in_opens_label_studio_alone() -> None:
    settings = load_settings(host=EVERYWHERE, metrics_port=9100)
    opened = {port.service for port in ports(settings) if port.host != "127.0.0.1"}
    assert opened == {LABEL_STUDIO}
    assert {port.host for port in ports(load_settings(backend_host="::1")) if port.service == BACKEND} == {
        "::1"
    }


def test_an_address_that_was_set_wins() -> None:
    settings = load_settings(
        host=EVERYWHERE,
        backend_host=EVERYWHERE,
        backend_url="http://b.internal:1",
        label_studio_public_url="https://c",
    )
    assert settings.effective_backend_url == "http://b.internal:1"
    assert settings.effective_public_url == "https://c"


@pytest.mark.parametrize("host", [EVERYWHERE, "::"])
def test_letting_everybody_in_needs_the_address_for_readers(
    host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SONOLOOP_HOST", host)
    with (
        pytest.raises(BadRequest, match=r"none for readers.*SONOLOOP_LABEL_STUDIO_PUBLIC_URL.*NAME:8080"),
        started_home(tmp_path / "home", {}),
    ):
        pass
    assert not (tmp_path / "home").exists()


def test_where_others_run_the_services_a_command_starts_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SONOLOOP_SERVICES", "elsewhere")
    with started_home(tmp_path, {}) as container:
        assert service_names(container.settings) == []
    assert not (tmp_path / "run").exists()
    assert not (tmp_path / "secrets.env").exists(), "they come from where the services have theirs"
