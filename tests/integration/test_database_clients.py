"""What becomes of the words of PostgreSQL's clients, in whatever language they are said."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.system_parts import POSTGRES
from db.clients import load
from db.engine import parse_url
from loop.errors import BadInput, SonoloopError, Unavailable
from tests.conftest import demand
from tests.machine import free_port

pytestmark = pytest.mark.services

SPEAKING = """#!/bin/sh
case "${LC_ALL:-$LANG}" in
    C) echo "pg_restore: error: %s" >&2 ;;
    *) echo "pg_restore: Fehler: auf Deutsch" >&2 ;;
esac
exit 1
"""


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("could not execute query: server closed the connection unexpectedly", Unavailable),
        ('connection to server at \\"127.0.0.1\\", port 5432 failed: timeout expired', Unavailable),
        ('could not execute query: ERROR:  relation \\"connection\\" does not exist', BadInput),
        ("could not read from input file: end of file", BadInput),
    ],
)
def test_a_lost_connection_is_told_from_a_dump_that_does_not_fit_in_any_language(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, kind: type[SonoloopError]
) -> None:
    """The server answers all the while, as one does that was away for a moment."""
    program = tmp_path / "pg_restore"
    program.write_text(SPEAKING % said)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    with pytest.raises(SonoloopError) as raised:
        load(parse_url(postgres_url), tmp_path / "dump", "sonoloop-restore")
    assert type(raised.value) is kind
    assert said.split(":")[0].split(" ")[0] in raised.value.message


def test_a_server_that_is_not_there_is_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{demand(POSTGRES)}:/usr/bin:/bin")
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    (tmp_path / "dump").write_bytes(b"PGDMP")
    with pytest.raises(Unavailable):
        load(parse_url(f"postgresql://nobody@127.0.0.1:{free_port()}/none"), tmp_path / "dump", "sonoloop")
