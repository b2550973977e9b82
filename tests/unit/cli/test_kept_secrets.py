"""A secret by which a home's data were made is never drawn anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.environment import load_settings
from adapters.home_files import SECRETS_FILE, remember_settings
from adapters.services.secrets import ensure_secrets
from cli.home import find_home
from cli.services import require_kept_secrets, started_home
from db import upgrade
from loop.errors import NotFound
from tests.services.homes import make_home


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Stopped, with labelled frames."""
    ensure_secrets(tmp_path)
    remember_settings(tmp_path, {"threads": 1})
    make_home(load_settings(tmp_path), frames=2, held_out=1)
    return tmp_path


def without(home: Path, name: str) -> str:
    path = home / SECRETS_FILE
    left = "".join(line for line in path.open() if not line.startswith(name))
    path.write_text(left)
    return left


def start(home: Path) -> None:
    with started_home(home, {}):
        pytest.fail("nothing may be started")


@pytest.mark.parametrize("name", ["SONOLOOP_SALT", "SONOLOOP_LABEL_STUDIO_TOKEN"])
def test_a_lost_secret_of_a_home_with_data_is_asked_for_and_not_drawn(home: Path, name: str) -> None:
    left = without(home, name)
    with pytest.raises(NotFound, match=f"no {name} in .*backup"):
        start(home)
    assert (home / SECRETS_FILE).read_text() == left
    assert not (home / "run").exists()


def test_lost_secrets_of_a_home_with_data_are_asked_for_and_not_drawn(home: Path) -> None:
    (home / SECRETS_FILE).unlink()
    with pytest.raises(NotFound, match="SONOLOOP_SALT and no SONOLOOP_LABEL_STUDIO_TOKEN"):
        start(home)
    assert not (home / SECRETS_FILE).exists()
    with pytest.raises(NotFound, match="bring it back from a backup"):
        find_home(home)


def test_a_salt_of_the_environment_is_as_good(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without(home, "SONOLOOP_SALT")
    monkeypatch.setenv("SONOLOOP_SALT", "5" * 32)
    require_kept_secrets(load_settings(home))


def test_a_first_start_that_was_ended_early_draws_what_is_missing(tmp_path: Path) -> None:
    upgrade(load_settings(tmp_path).effective_database_url)
    require_kept_secrets(load_settings(tmp_path))
    require_kept_secrets(load_settings(tmp_path / "nowhere"))
