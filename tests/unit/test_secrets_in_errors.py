"""A password in an address or a setting stands in no error, no representation and no configuration."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import SecretStr

from adapters.bootstrap import build
from adapters.environment import load_settings
from adapters.services.configuration import render
from adapters.settings import Settings
from loop.errors import SonoloopError
from loop.ports import Job
from ml_backend.access import Access

SECRET = "S3cretOfTheHospital"
CLOSED = "127.0.0.1:9"


def settings(home: Path, **values: object) -> Settings:
    return load_settings(home, **values)


WRONG: dict[str, Callable[[Path], object]] = {
    "database away": lambda home: (
        build(settings(home, database_url=f"postgresql://u:{SECRET}@{CLOSED}/x")).database.read().__enter__()
    ),
    "database of another kind": lambda home: (
        build(settings(home, database_url=f"mysql://u:{SECRET}@{CLOSED}/x")).database
    ),
    "database address cut": lambda home: build(settings(home, database_url=f"u:{SECRET}@x")).database,
    "database port": lambda home: settings(home, database_url=f"postgresql://u:{SECRET}@h:port/x"),
    "redis away": lambda home: build(settings(home, redis_url=f"redis://:{SECRET}@{CLOSED}/0")).queue.enqueue(
        Job.SWEEP
    ),
    "redis port": lambda home: settings(home, redis_url=f"redis://:{SECRET}@h:port/0"),
    "redis of another kind": lambda home: settings(home, redis_url=f"amqp://u:{SECRET}@h/0"),
    "keys in the store's address": lambda home: settings(home, storage_url=f"s3://key:{SECRET}@bucket/x"),
    "label studio away": lambda home: build(
        settings(home, label_studio_url=f"http://u:{SECRET}@{CLOSED}")
    ).label_studio.get_task(1),
    "label studio port": lambda home: settings(home, label_studio_url=f"http://u:{SECRET}@h:99999"),
    "a secret where a number belongs": lambda home: settings(home, backend_port=SECRET),
}


@pytest.mark.parametrize("name", WRONG)
def test_an_error_repeats_no_password(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.label_studio.api.PAUSES", ())
    with pytest.raises(SonoloopError) as raised:
        WRONG[name](tmp_path)
    assert SECRET not in raised.value.message
    assert SECRET not in repr(raised.value.ids)
    assert SECRET not in "".join(traceback.format_exception(raised.value))


def test_settings_and_their_keepers_show_no_secret(tmp_path: Path) -> None:
    address = f"scheme://u:{SECRET}@host/x"
    shown = settings(
        tmp_path,
        database_url=address,
        redis_url=address.replace("scheme", "redis"),
        label_studio_url=address,
        storage_url="",
        admin_password=SecretStr(SECRET),
        webhook_secret=SecretStr(SECRET),
    )
    assert SECRET not in repr(shown)
    assert SECRET not in str(shown)
    assert SECRET not in repr(build(shown))
    assert SECRET not in render(shown)
    assert SECRET not in repr(Access("user", SECRET, SECRET))
