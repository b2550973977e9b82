"""Homes to copy: real files, SQLite and PostgreSQL, without Label Studio's process."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from itertools import count
from pathlib import Path

from typer.testing import CliRunner, Result

from adapters.bootstrap import build
from adapters.environment import load_settings
from adapters.home_files import remember_settings
from adapters.services.secrets import ensure_secrets
from adapters.settings import Settings
from cli.app import app
from tests.services.homes import make_home

FRAMES = 6


NUMBERS = count(1)


def made_home(root: Path, **chosen: str) -> Settings:
    """A home of labelled discs; a small file stands for Label Studio's database, another for an upload."""
    ensure_secrets(root)
    remember_settings(root, {"threads": 1, **{name: value for name, value in chosen.items() if value}})
    settings = load_settings(root)
    make_home(settings, frames=FRAMES, held_out=2)
    uploads = root / "label-studio" / "media" / "upload"
    uploads.mkdir(parents=True)
    (uploads / "avatar.png").write_bytes(b"picture")
    with closing(sqlite3.connect(root / "label-studio" / "label_studio.sqlite3")) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("CREATE TABLE task (id INTEGER)")
        database.executemany("INSERT INTO task VALUES (?)", [(number,) for number in range(FRAMES)])
        database.commit()
    return settings


def run(*words: str | Path, code: int = 0) -> Result:
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    assert result.exit_code == code, result.output
    return result


def state_of(settings: Settings) -> object:
    """Everything that rows say, and the content that they name."""
    with closing(build(settings)) as container, container.database.read() as uow:
        frames, masks = uow.frames.list(1), uow.masks.latest_of_all(1)
        contents = [container.storage.get("masks", each.mask_digest or "") for each in masks]
        pictures = [container.storage.get("frames", each.digest) for each in frames]
    return frames, masks, contents, pictures
