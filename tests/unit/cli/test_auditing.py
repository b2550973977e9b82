"""What pip-audit says, and that its silence is not taken for a clean bill."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from cli.auditing import NOT_AUDITED, audit, judge


def said(*packages: Mapping[str, object]) -> str:
    return json.dumps({"dependencies": packages, "fixes": []})


CLEAN = {"name": "flask", "version": "3.1.0", "vulns": []}
SKIPPED = {"name": "flask", "skip_reason": "Dependency not found on PyPI and could not be audited"}
FAULTY = {"name": "pillow", "version": "1.0", "vulns": [{"id": "PYSEC-1", "aliases": ["CVE-2026-1"]}]}


def test_a_known_vulnerability_fails_and_is_named() -> None:
    is_clean, line = judge(said(CLEAN, FAULTY), {})
    assert not is_clean
    assert "pillow 1.0 PYSEC-1" in line


@pytest.mark.parametrize("name", ["PYSEC-1", "CVE-2026-1"])
def test_one_that_is_borne_for_a_reason_does_not_fail(name: str) -> None:
    assert judge(said(FAULTY), {name: "not reached: we decode no such files"})[0]


def test_packages_that_the_database_does_not_know_are_counted() -> None:
    assert judge(said(CLEAN, SKIPPED), {}) == (
        True,
        "nothing known (1 packages, 1 not known to the database)",
    )


@pytest.mark.parametrize("text", ["", "Traceback ...", "[]", "{}", said(), said(SKIPPED)])
def test_where_nothing_could_be_asked_the_line_says_so(text: str) -> None:
    assert judge(text, {}) == (True, NOT_AUDITED)


@pytest.mark.parametrize("script", ["echo no connection >&2\nexit 1", "exec sleep 60"])
def test_an_auditor_that_fails_or_never_answers_is_no_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    auditor = tmp_path / "pip-audit"
    auditor.write_text(f"#!/bin/sh\n{script}\n")
    auditor.chmod(0o700)
    monkeypatch.setattr("cli.auditing.AUDIT_SECONDS", 2)
    assert audit(tmp_path, Path(__file__).resolve().parents[3]) == (True, f"dev: {NOT_AUDITED}")
