"""Label Studio on a port that another program has: it ends, and moves nowhere."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from adapters.environment import process_environment
from adapters.label_studio import server
from tests.services.label_studio import START_SECONDS, LabelStudioServer, copy_empty_database

pytestmark = pytest.mark.services


def test_a_second_label_studio_on_the_port_of_the_first_ends(
    label_studio_server: LabelStudioServer, tmp_path: Path
) -> None:
    settings = label_studio_server.settings.model_copy(update={"home": tmp_path})
    copy_empty_database(settings)
    done = subprocess.run(
        server.command(settings),
        env=process_environment(server.environment(settings)),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        check=False,
    )
    assert done.returncode == 1
    assert "already in use" in done.stderr
    assert "Trying to start" not in done.stdout
