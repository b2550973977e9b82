"""Bringing the programs that tests use, by an `apt-get` that knows one of two."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cli.system_parts import Part, bring

APT = """#!/bin/sh
case "$*" in *nowhere*) echo "E: Unable to locate package nowhere" >&2; exit 100;; esac
case "$*" in *install*known*) touch "{brought}";; esac
"""


def test_a_package_that_the_system_does_not_know_keeps_no_other_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    brought = tmp_path / "known"
    (tmp_path / "apt-get").write_text(APT.format(brought=brought))
    (tmp_path / "apt-get").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    known = Part("Known", "known", lambda: brought if brought.exists() else None)
    nowhere = Part("Nowhere", "nowhere", lambda: None)
    assert bring([nowhere, known]) == [nowhere]
    assert brought.exists()
