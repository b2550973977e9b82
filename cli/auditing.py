"""Asks whether an installed version has a known vulnerability, where an advisory database can be reached."""

from __future__ import annotations

import json
import subprocess
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

LOCKS = ("dev", "label-studio")
"""The developers' lock holds the whole of the app's."""
AUDIT_SECONDS = 60
NOT_AUDITED = "not audited: no advisory database within reach"


def audit(tools: Path, root: Path) -> tuple[bool, str]:
    """Whether no pinned version is known to be vulnerable, and a line on what was found; True where nothing
    could be asked, which the line then says. Takes a minute a lock file at most.
    """
    lines, is_clean = [], True
    for lock in LOCKS:
        is_fine, line = judge(_ask(tools, root / "requirements" / f"{lock}.lock"), accepted(root))
        is_clean &= is_fine
        lines.append(f"{lock}: {line}")
        if line == NOT_AUDITED:
            return is_clean, "; ".join(lines)  # the next one would ask in vain too
    return is_clean, "; ".join(lines)


def judge(said: str, accepted: Mapping[str, str]) -> tuple[bool, str]:
    """What pip-audit's JSON means; anything that is no JSON means that nothing was asked."""
    try:
        packages: Sequence[Mapping[str, Any]] = json.loads(said)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return True, NOT_AUDITED
    asked = [each for each in packages if "skip_reason" not in each]
    if not asked:
        return True, NOT_AUDITED
    found = [
        f"{each['name']} {each.get('version', '')} {fault['id']}"
        for each in asked
        for fault in each.get("vulns", ())
        if not {fault["id"], *fault.get("aliases", ())} & accepted.keys()
    ]
    unasked = len(packages) - len(asked)
    rest = f", {unasked} not known to the database" if unasked else ""
    return not found, f"{', '.join(found) or 'nothing known'} ({len(asked)} packages{rest})"


def accepted(root: Path) -> Mapping[str, str]:
    """Advisories that are known and borne, by id, each with its reason."""
    tools = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    reasons: Mapping[str, str] = tools.get("sonoloop", {}).get("accepted-advisories", {})
    return reasons


def _ask(tools: Path, lock: Path) -> str:
    command = [str(tools / "pip-audit"), "-r", str(lock), "--no-deps", "--disable-pip", "--format", "json"]
    quiet = ["--progress-spinner", "off", "--timeout", "10"]
    try:
        done = subprocess.run(
            [*command, *quiet], capture_output=True, text=True, check=False, timeout=AUDIT_SECONDS
        )
    except subprocess.TimeoutExpired:
        return ""
    return done.stdout
