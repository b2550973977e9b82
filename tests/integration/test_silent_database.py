"""A PostgreSQL that takes a connection and says nothing, at the door or in the middle of an answer."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from adapters.home_files import remember_settings
from adapters.services.secrets import ensure_secrets
from cli.app import app
from db import engine as engines
from db import postgresql
from loop.errors import Unavailable


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a listener that lets everybody in and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as server:
        yield f"postgresql://me:hunter2@127.0.0.1:{server.getsockname()[1]}/loop"


@pytest.mark.parametrize("words", [["status"], ["review"], ["backup", "beside.tar"]])
def test_commands_give_a_silent_database_up(
    words: list[str], silent: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(postgresql, "LOGIN_SECONDS", 0.5)
    ensure_secrets(tmp_path / "home")
    remember_settings(tmp_path / "home", {"database_url": silent})
    done = CliRunner().invoke(app, [*words, "--home", str(tmp_path / "home")])
    assert (done.exit_code, "does not answer" in done.output) == (1, True), done.output
    assert "hunter2" not in done.output


def test_an_answer_that_does_not_come_is_given_up_and_never_taken_for_the_next(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql, "ANSWER_SECONDS", 0.5)
    engine = engines.make_engine(postgres_url).execution_options(access=engines.Access.READ)
    with pytest.raises(Unavailable, match="does not answer"), engine.connect() as connection:
        connection.execute(text("SELECT pg_sleep(2), 1"))
    with engine.connect() as connection:
        assert connection.execute(text("SELECT 2")).scalar_one() == 2
    engine.dispose()
