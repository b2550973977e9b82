"""A home whose databases lie elsewhere remembers that: without their addresses it is not taken for empty.

Only the places are kept. A password stays where the person put it, in a variable or in `sonoloop.env`.
"""

from __future__ import annotations

import hashlib
from contextlib import closing
from pathlib import Path

from adapters.disk import write_whole
from adapters.environment import label_studio_database
from adapters.home_files import SETTINGS_FILE
from adapters.hosts import bare_address
from adapters.settings import Settings
from loop.errors import NotFound
from loop.records import Project

NOTE, LABEL_STUDIO_NOTE = Path("db", "elsewhere"), Path("db", "label-studio-elsewhere")
IN_HOME = "sqlite:"
"""How the address of Label Studio's database begins where that is in the home."""


def note_databases(settings: Settings) -> None:
    """Keep where the home's database and Label Studio's lie, as far as that is not in the home."""
    theirs = label_studio_database(settings.root)
    if settings.database_url:
        _keep(settings.root / NOTE, settings.database_url)
    if not theirs.startswith(IN_HOME):
        _keep(settings.root / LABEL_STUDIO_NOTE, theirs)


def require_noted_database(settings: Settings) -> None:
    """Raises NotFound where the database lies elsewhere and no setting says how to reach it, or one names
    another place than before, in which this home's work is not: it would begin anew there.
    """
    note = settings.root / NOTE
    if not settings.database_url:
        if note.exists():
            raise _without_address(_kept(note))
        return
    before = _kept(note) if note.exists() else _own_database(settings)
    if before and before != bare_address(settings.database_url):
        _require_this_homes(settings, before)


def home_key(settings: Settings) -> str:
    """What tells this home from others, kept with its projects and their twins in Label Studio."""
    salt = settings.salt.get_secret_value()
    return hashlib.sha256(f"home {salt}".encode()).hexdigest()[:8]


def projects_in(url: str) -> list[Project]:
    """The projects in the database there, at any schema; none where there is nothing. Raises Unavailable."""
    from db import SqlDatabase, current  # SQLAlchemy takes a second: commands that need it load it

    if current(url) is None:
        return []
    with closing(SqlDatabase(url)) as database, database.read() as uow:
        return uow.projects.list()


def _own_database(settings: Settings) -> str:
    """The address of the database in the home; empty where none of its work is there."""
    url = f"{IN_HOME}///{settings.database_file}"
    return url if settings.database_file.exists() and projects_in(url) else ""


def _require_this_homes(settings: Settings, before: str) -> None:
    there, key = projects_in(settings.database_url), home_key(settings)
    if there and all(project.settings.get("home", key) == key for project in there):
        return
    what = "another home's projects" if there else "no project"
    raise NotFound(
        f"{what} in {bare_address(settings.database_url)}, and a home whose database was {before}",
        "the database that this home's work is in",
        "set SONOLOOP_DATABASE_URL as it was (or not at all, where it was in the home), or move the database "
        f"there first; to begin anew choose another --home, or remove {NOTE} from this one",
    )


def _without_address(place: str) -> NotFound:
    return NotFound(
        f"no SONOLOOP_DATABASE_URL, and a home whose database is {place}",
        "the address, with user and password",
        f"set the variable as it was when the home was started, or keep it as a line of its {SETTINGS_FILE}",
    )


def require_noted_label_studio(settings: Settings) -> None:
    """Raises NotFound where Label Studio's database lies elsewhere and its variables do not say so, or name
    another place: it would run without this home's labels, which would then count as deleted.
    """
    note = settings.root / LABEL_STUDIO_NOTE
    if not note.exists():
        return
    theirs = label_studio_database(settings.root)
    if theirs.startswith(IN_HOME):
        raise NotFound(
            f"no DJANGO_DB, and a home whose Label Studio has its database at {_kept(note)}",
            "the variables that Label Studio was started with: DJANGO_DB=default and POSTGRE_HOST, _PORT, "
            "_NAME, _USER and _PASSWORD",
            "set them as they were when the home was started; nothing was begun without them",
        )
    if bare_address(theirs) != _kept(note):
        raise NotFound(
            f"variables of a database at {bare_address(theirs)}, and a home whose Label Studio had its own "
            f"at {_kept(note)}",
            "the database that this home's labels are in",
            f"set POSTGRE_... as they were; where it was moved, remove {LABEL_STUDIO_NOTE} from the home",
        )


def require_noted_databases(settings: Settings) -> None:
    """Raises NotFound for either, of Label Studio's where the home starts it itself."""
    require_noted_database(settings)
    if settings.has_own_label_studio:
        require_noted_label_studio(settings)


def _keep(note: Path, url: str) -> None:
    place = f"{bare_address(url)}\n"
    if not note.exists() or _kept(note) != place.strip():
        note.parent.mkdir(parents=True, exist_ok=True)
        write_whole(note, place.encode())


def _kept(note: Path) -> str:
    return note.read_text(encoding="utf-8", errors="replace").strip()
