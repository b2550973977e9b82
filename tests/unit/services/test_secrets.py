"""The home's secrets are drawn once and kept to their owner."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from adapters.environment import load_settings
from adapters.home_files import read_env_file
from adapters.services.secrets import DRAW, ensure_secrets


def test_secrets_are_drawn_once_and_readable_by_their_owner_alone(tmp_path: Path) -> None:
    path = ensure_secrets(tmp_path / "home")
    first = read_env_file(path)
    assert set(first) == set(DRAW)
    assert len(set(first.values())) == len(first)
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_env_file(ensure_secrets(tmp_path / "home")) == first


def test_settings_take_them_up(tmp_path: Path) -> None:
    values = read_env_file(ensure_secrets(tmp_path))
    settings = load_settings(tmp_path)
    assert settings.webhook_secret.get_secret_value() == values["SONOLOOP_WEBHOOK_SECRET"]
    assert re.fullmatch("[0-9a-f]{40}", settings.label_studio_token.get_secret_value())


def test_a_missing_secret_is_added_and_the_others_stay(tmp_path: Path) -> None:
    (tmp_path / "secrets.env").write_text("SONOLOOP_ADMIN_PASSWORD=chosen\n")
    (tmp_path / "secrets.env").chmod(0o644)
    path = ensure_secrets(tmp_path)
    values = read_env_file(path)
    assert values["SONOLOOP_ADMIN_PASSWORD"] == "chosen"
    assert set(values) == set(DRAW)
    assert path.stat().st_mode & 0o777 == 0o600


def test_settings_that_a_person_wrote_are_closed_to_others_too(tmp_path: Path) -> None:
    (tmp_path / "sonoloop.env").write_text("SONOLOOP_DATABASE_URL=postgresql://u:password@h/x\n")
    (tmp_path / "sonoloop.env").chmod(0o644)
    ensure_secrets(tmp_path)
    assert (tmp_path / "sonoloop.env").stat().st_mode & 0o777 == 0o600


def test_two_first_starts_at_once_end_with_one_set(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        paths = list(pool.map(ensure_secrets, [tmp_path] * 16))
    assert len({path.read_text() for path in paths}) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["secrets.env"]


def test_a_faster_first_start_keeps_its_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    faster: list[str] = []

    def draw() -> str:
        if not faster:  # while the slower one draws, the faster one begins and ends
            faster.append("")
            faster[0] = ensure_secrets(tmp_path).read_text()
        return "drawn"

    monkeypatch.setitem(DRAW, "SONOLOOP_SALT", draw)
    assert ensure_secrets(tmp_path).read_text() == faster[0]
