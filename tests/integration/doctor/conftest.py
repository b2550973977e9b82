"""A home for the tests of the doctor."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.settings import Settings
from tests.integration.doctor.homes import made_home


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    return made_home(tmp_path / "home")
