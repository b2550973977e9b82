"""A home whose databases lie elsewhere remembers that: without their addresses it is not taken for empty.

Only the places are kept. A password stays where the person put it, in a variable or in `sonoloop.env`.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from adapters.environment import label_studio_database
from adapters.home_files import SETTINGS_FILE
from adapters.hosts import bare_address
from adapters.settings import Settings
from loop.errors import NotFound

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
    another that holds no project: the home would begin anew there.
    """
    note = settings.root / NOTE
    if not note.exists():
        return
    if settings.database_url:
        if bare_address(settings.database_url) != _kept(note) and not holds_project(settings.database_url):
            raise _begun_anew(settings, _kept(note))
        return
    raise NotFound(
        f"no SONOLOOP_DATABASE_URL, and a home whose database is {_kept(note)}",
        "the address, with user and password",
        f"set the variable as it was when the home was started, or keep it as a line of its {SETTINGS_FILE}",
    )


def holds_project(url: str) -> bool:
    """Whether there is a project in the database there, at any schema. Raises Unavailable."""
    from db import SqlDatabase, current  # SQLAlchemy takes a second: commands that need it load it

    if current(url) is None:
        return False
    with closing(SqlDatabase(url)) as database, database.read() as uow:
        return bool(uow.projects.list())


def _begun_anew(settings: Settings, before: str) -> NotFound:
    return NotFound(
        f"no project in {bare_address(settings.database_url)}, and a home whose database was {before}",
        "the database that this home's work is in",
        "set SONOLOOP_DATABASE_URL as it was, or move the database there first; to begin anew choose another "
        f"--home, or remove {NOTE} from this one",
    )


def require_noted_label_studio(settings: Settings) -> None:
    """Raises NotFound where Label Studio's database lies elsewhere and its variables do not say so: it would
    begin anew in the home, without a label.
    """
    note = settings.root / LABEL_STUDIO_NOTE
    if not label_studio_database(settings.root).startswith(IN_HOME) or not note.exists():
        return
    raise NotFound(
        f"no DJANGO_DB, and a home whose Label Studio has its database at {_kept(note)}",
        "the variables that Label Studio was started with: DJANGO_DB=default and POSTGRE_HOST, _PORT, _NAME, "
        "_USER and _PASSWORD",
        "set them as they were when the home was started; nothing was begun without them",
    )


def require_noted_databases(settings: Settings) -> None:
    """Raises NotFound for either, of Label Studio's where the home starts it itself."""
    require_noted_database(settings)
    if settings.has_own_label_studio:
        require_noted_label_studio(settings)


def _keep(note: Path, url: str) -> None:
    place = f"{bare_address(url)}\n"
    if not note.exists() or note.read_text(encoding="utf-8") != place:
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(place, encoding="utf-8")


def _kept(note: Path) -> str:
    return note.read_text(encoding="utf-8").strip()
