"""What every test may ask for: real frames, a browser, a PostgreSQL server; and which tests run at all."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from cli.system_parts import CHROMIUM, POSTGRES, Part, explain_missing
from tests.machine import give_up
from tests.postgres import running_postgres

ROOT = Path(__file__).resolve().parents[1]

LONGEST_FIRST = ("tests/e2e/", "tests/integration/", "tests/contract/")
"""Files of minutes before those of seconds: at the end no process works alone for long."""

settings.register_profile("untimed", deadline=None)  # a busy machine is no failure
settings.load_profile("untimed")
pytest_plugins = ["tests.fault_table", "tests.services.label_studio"]

# Before anything imports albumentations: it would ask the internet for a newer version of itself.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

# Tests run side by side, and one that waits for a training must not wait for all the others.
os.environ.setdefault("SONOLOOP_TRAINING_NICENESS", "0")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="run the long drills too")


def pytest_configure() -> None:
    # A shell that puts the tests into the background lets all their children ignore Ctrl-C, and nohup the end
    # of the terminal, which some test.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    items.sort(key=_place)
    if config.getoption("--full"):
        return
    drills = [item for item in items if item.get_closest_marker("full")]
    config.hook.pytest_deselected(items=drills)
    items[:] = [item for item in items if item not in drills]


def _place(item: pytest.Item) -> int:
    found = [place for place, room in enumerate(LONGEST_FIRST) if item.nodeid.startswith(room)]
    return found[0] if found else len(LONGEST_FIRST)


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("browser"):
        demand(CHROMIUM)
    if item.get_closest_marker("needs_data") and not real_frames().is_dir():
        give_up("real frames: not found; set SONOLOOP_DATA to their folder")


def demand(part: Part) -> Path:
    """Where `part` is; a missing one skips the test, or fails it on a build server."""
    found = part.find()
    if found is None:
        give_up(explain_missing(part))
    return found


def real_frames() -> Path:
    return Path(os.environ.get("SONOLOOP_DATA", ROOT.parent / "shared" / "data"))


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder of real frames; for tests marked `needs_data`."""
    return real_frames()


@pytest.fixture(scope="session")
def chromium() -> Path:
    """The browser's executable; for tests marked `browser`."""
    return demand(CHROMIUM)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The SQLAlchemy address of a real, empty PostgreSQL database that lives for the whole run."""
    with running_postgres(demand(POSTGRES)) as url:
        yield url
