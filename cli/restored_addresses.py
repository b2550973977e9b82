"""Which addresses of a backup's settings the restored home keeps: none by which it would work in the
installation that the backup is of, which may be running still.
"""

from __future__ import annotations

from pathlib import Path

from adapters.environment import load_settings
from adapters.home_files import SETTINGS_FILE, forget_settings, read_env_file, variable_name
from adapters.hosts import bare_address
from adapters.settings import Settings
from db.backup import is_sqlite
from loop.errors import BadRequest

ADDRESSES = ("database_url", "storage_url", "redis_url", "label_studio_url", "backend_url")
LEFT_OUT = f"is left out of {SETTINGS_FILE}"


def settle_addresses(draft: Path, root: Path) -> tuple[Settings, list[str]]:
    """The settings of an unpacked home, rid of such addresses, and a sentence on each that the environment
    does not name too. Raises BadRequest where the environment names a file outside the home.
    """
    given = load_settings(root)  # nothing is there yet: by the environment alone
    _require_own_file_or_server(given)
    lines, by_both = read_env_file(draft / SETTINGS_FILE), load_settings(draft)
    said, left_out = list[str](), list[str]()
    for name in ADDRESSES:
        address = lines.get(variable_name(name), "")
        if not address or address == getattr(given, name):
            continue
        is_open = getattr(by_both, name) == address  # the environment says nothing of it
        why = _why_kept(name, address) if is_open else ""
        if not why:
            left_out.append(name)
            why = _why_left_out(is_open)
        said.append(f"{variable_name(name)}{_shown(name, address)} {why}")
    if left_out:
        forget_settings(draft, left_out)
    own = {"database_url": ""} if is_sqlite(load_settings(draft).effective_database_url) else {}
    return load_settings(draft, **own), said


def _require_own_file_or_server(given: Settings) -> None:
    url = given.database_url
    if url and is_sqlite(url) and url != f"sqlite:///{given.database_file}":
        raise BadRequest(
            "SONOLOOP_DATABASE_URL, which names a file outside the home",
            "a database of PostgreSQL, or no such variable: then it is in the home",
            "restore without the variable; nothing was changed",
        )


def _why_kept(name: str, address: str) -> str:
    """Empty where it is not kept. A server's database was found empty, so nobody works in it; contents are
    only added to a store, each under its digest, or put in the place of damaged ones.
    """
    if name == "storage_url":
        return "is kept: frames, masks and models are in that store now, whoever uses it too"
    if name == "database_url" and not is_sqlite(address):
        return "is kept: that database was empty, and is this home's now"
    return ""


def _why_left_out(is_open: bool) -> str:
    if is_open:
        return f"{LEFT_OUT}: another installation may use it; if this one takes its place, write it again"
    return f"{LEFT_OUT}: the environment says otherwise, and has to at each start, or a line there instead"


def _shown(name: str, address: str) -> str:
    """A store's address may hold keys in ways of its own."""
    return "" if name == "storage_url" else f" ({bare_address(address)})"
