"""What a reader's page calls submitted is on the disk, so that a loss of power takes no stroke."""

from __future__ import annotations

import subprocess

import pytest

from adapters.environment import process_environment
from adapters.label_studio import server
from tests.services.label_studio import LabelStudioServer

pytestmark = pytest.mark.services

FULL = 2
ASK = """
import sys
from pathlib import Path
import label_studio
sys.path.insert(0, str(Path(label_studio.__file__).parent))
import django
django.setup()
from django.db import connection
with connection.cursor() as cursor:
    for name in ("journal_mode", "synchronous"):
        print(cursor.execute(f"PRAGMA {name}").fetchone()[0])
"""


def test_label_studio_on_sqlite_answers_once_the_disk_has_what_it_was_given(
    label_studio_server: LabelStudioServer,
) -> None:
    settings = label_studio_server.settings
    asked = subprocess.run(
        [str(server.PYTHON), "-P", "-c", ASK],
        env=process_environment(server.environment(settings)),
        cwd=settings.root,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert asked.stdout.split()[-2:] == ["wal", str(FULL)]
