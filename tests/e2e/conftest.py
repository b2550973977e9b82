"""One complete home for the tests that need all services together; each module has a project of its own. And
one without anything in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from adapters.services.secrets import ensure_secrets
from tests.e2e.homes import Home, draw_clips, running_home
from tests.machine import demand_label_studio

CLIPS = (2, 10, 12, 20, 22)
"""Phantoms with large clear veins, which the base weights draw well."""


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """Started as a person starts it, with two frames of each clip; two clips are held out."""
    demand_label_studio()
    with running_home(draw_clips(tmp_path_factory.mktemp("frames"), CLIPS, 2)) as running:
        yield running


@pytest.fixture
def empty_home(tmp_path: Path) -> Path:
    """What an `up` leaves that was ended right after it had drawn the secrets."""
    ensure_secrets(tmp_path / "home")
    return tmp_path / "home"


@pytest.fixture
def say(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Prints a measured figure beside the test's name, captured output or not."""
    reporter = pytestconfig.pluginmanager.get_plugin("terminalreporter")
    return lambda text: reporter.write_line(f"  {text}") if reporter else None
