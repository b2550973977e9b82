"""The supervisor's configuration, as its own parser reads it, and nothing secret in it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pydantic import SecretStr
from supervisor.options import ServerOptions

from adapters.environment import load_settings
from adapters.services.configuration import expansions, render, settings_environment

SECRET = "not-to-be-seen"


def read(text: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> ServerOptions:
    """What supervisord understands of the text, started as we start it: inside the home."""
    (home / "run").mkdir(parents=True)
    (home / "logs").mkdir()
    (home / "run" / "supervisord.conf").write_text(text)
    monkeypatch.chdir(home)
    for name, value in expansions().items():
        monkeypatch.setenv(name, value)
    options = ServerOptions()
    options.environ_expansions = {f"ENV_{name}": value for name, value in os.environ.items()}
    options.realize(args=["-c", str(home / "run" / "supervisord.conf")])
    return options


@pytest.mark.parametrize("name", ["home", "ho me", "50% #1 ;x", "ünïcode"])
def test_any_home_gives_a_configuration_that_supervisord_reads(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / name
    options = read(render(load_settings(home)), home, monkeypatch)
    programs = {
        group.process_configs[0].name: group.process_configs[0] for group in options.process_group_configs
    }
    assert list(programs) == ["redis", "label-studio", "backend", "worker-light", "worker-train", "beat"]
    assert all(
        program.command.endswith(f"adapters.services.launch {key}") for key, program in programs.items()
    )
    assert all((home / program.stdout_logfile).parent == home / "logs" for program in programs.values())
    assert programs["worker-train"].stopwaitsecs > 8, "a training needs 8 s to keep its checkpoint"
    assert not any(program.stopasgroup for program in programs.values())
    assert all(program.killasgroup for program in programs.values())


def test_services_with_an_address_of_their_own_are_left_out(tmp_path: Path) -> None:
    text = render(load_settings(tmp_path, redis_url="redis://queue", label_studio_url="http://studio"))
    assert "program:backend" in text
    assert "program:redis" not in text
    assert "program:label-studio" not in text


def test_no_secret_is_written_or_handed_down(tmp_path: Path) -> None:
    secrets = ("admin_password", "label_studio_token", "backend_password", "webhook_secret")
    settings = load_settings(tmp_path, **{name: SecretStr(SECRET) for name in secrets})
    assert SECRET not in render(settings)
    assert SECRET not in repr(settings_environment(settings))


def test_every_service_sees_the_settings_of_the_one_that_started_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = load_settings(tmp_path, backend_port=9191, min_growth=0.25, recipe="paper")
    for name, value in settings_environment(settings).items():
        monkeypatch.setenv(name, value)
    assert load_settings() == settings


def test_another_setting_shows_in_the_configuration(tmp_path: Path) -> None:
    settings = load_settings(tmp_path)
    assert render(settings) == render(load_settings(tmp_path))
    assert render(settings) != render(load_settings(tmp_path, label_studio_port=8099))
