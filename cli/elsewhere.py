"""A home whose database lies elsewhere remembers that: without the address it is not taken for an empty one.

Only the place is kept. The password stays where the person put it, in a variable or in `sonoloop.env`.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from adapters.home_files import SETTINGS_FILE
from adapters.settings import Settings
from loop.errors import NotFound

NOTE = Path("db", "elsewhere")


def note_database(settings: Settings) -> None:
    """Keep where the home's database lies, if that is not in the home."""
    if not settings.database_url:
        return
    address = urlsplit(settings.database_url)
    place = f"{address.scheme.split('+')[0]}://{address.netloc.rpartition('@')[2]}{address.path}\n"
    note = settings.root / NOTE
    if not note.exists() or note.read_text(encoding="utf-8") != place:
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(place, encoding="utf-8")


def require_noted_database(settings: Settings) -> None:
    """Raises NotFound where the database lies elsewhere and no setting says how to reach it."""
    note = settings.root / NOTE
    if settings.database_url or not note.exists():
        return
    raise NotFound(
        f"no SONOLOOP_DATABASE_URL, and a home whose database is {note.read_text(encoding='utf-8').strip()}",
        "the address, with user and password",
        f"set the variable as it was when the home was started, or keep it as a line of its {SETTINGS_FILE}",
    )
