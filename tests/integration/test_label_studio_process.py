"""What Label Studio's process is set to, so that readers lose nothing and wait little."""

from __future__ import annotations

import pytest

from tests.services.label_studio import LabelStudioServer

pytestmark = pytest.mark.services

FULL = 2
ASK_SQLITE = """
from django.db import connection
with connection.cursor() as cursor:
    for name in ("journal_mode", "synchronous"):
        print(cursor.execute(f"PRAGMA {name}").fetchone()[0])
"""


def test_on_sqlite_it_answers_once_the_disk_has_what_it_was_given(
    label_studio_server: LabelStudioServer,
) -> None:
    """A loss of power takes nothing that a reader's page calls submitted."""
    assert label_studio_server.ask(ASK_SQLITE)[-2:] == ["wal", str(FULL)]


def test_a_thread_that_computes_gives_way_soon(label_studio_server: LabelStudioServer) -> None:
    """Else a Submit waits for a push after each of its hundred questions to the database."""
    assert float(label_studio_server.ask("print(sys.getswitchinterval())")[-1]) <= 0.001
