"""`sonoloop restore`: a home made anew from a backup, all of it or nothing."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from pathlib import Path

from adapters.environment import label_studio_database, load_settings
from adapters.formats.archive import Archive
from adapters.home_files import SECRETS_FILE, SETTINGS_FILE
from adapters.settings import Settings
from adapters.storage import ObjectStorage, open_storage
from adapters.unfinished import work_folder
from cli.backup import LABEL_STUDIO_COPY, OWN_COPY, ending_of
from cli.elsewhere import note_databases
from cli.markup import escape
from cli.placing import fill, give_name, remove_moved, require_free
from cli.restored_addresses import settle_addresses
from cli.shell import console, progress, say
from db import SqlDatabase, known_revisions, upgrade
from db.backup import check_file, is_sqlite
from db.filling import Filling, filling
from loop import full_looks
from loop.errors import BadInput, BadRequest, Conflict

PLACES = ("db/", "frames/all/", "masks/", "models/", "label-studio/")
FILES = (SECRETS_FILE, SETTINGS_FILE)
READABLE = 0o644
OnStep = Callable[[str], None]


def restore(file: Path, home: Path | None) -> None:
    """Make a home from a backup and say how to start it.

    Raises Conflict where there is a home already or a database that is not empty, BadInput for a backup that
    is damaged, dangerous or of a newer Sonoloop, OutOfSpace: then nothing was changed.
    """
    settings = load_settings(home)
    root = settings.root
    with progress() as bars:
        task = bars.add_task("checking the backup", total=None)
        archive = read_backup(file, root, lambda count: bars.advance(task, count))
        bars.reset(task, description="unpacking and checking each file", total=archive.size)
        said = put_back(archive, root, lambda count: bars.advance(task, count))
    counts = ", ".join(f"{number} {kind}" for kind, number in archive.manifest.about["counts"].items())
    say(console, f"{counts} of {archive.manifest.about['taken_at'][:16]} UTC are in {escape(str(root))}")
    for line in said:
        say(console, escape(line))
    start = f"./sonoloop up --home {shlex.quote(str(root))}"
    say(console, f"start {'its services' if settings.services == 'elsewhere' else f'it by {escape(start)}'}")


def read_backup(file: Path, root: Path, on_bytes: Callable[[int], None] = lambda _: None) -> Archive:
    """Check that the place is free and the file whole, harmless and not too new. Raises as `restore`."""
    require_free(root)
    if not file.is_file():
        raise BadRequest(f"{file}, which is no file", "one that ./sonoloop backup wrote", "check the path")
    archive = Archive.open(file, on_bytes)
    about = archive.manifest.about
    for name in archive.manifest.members:
        if not name.startswith(PLACES) and name not in FILES:
            raise BadInput("a backup with a file that belongs to no home", "one that ./sonoloop backup wrote")
    kinds = {"revision": str, "version": str, "taken_at": str, "databases": list, "counts": dict}
    if any(not isinstance(about.get(name), kind) for name, kind in kinds.items()):
        raise BadInput("a backup that does not say what it holds", "one that ./sonoloop backup wrote")
    if about["revision"] not in known_revisions():
        raise BadInput(
            f"a backup of Sonoloop {about['version']}", "one of this version or older", "update Sonoloop"
        )
    return archive


def put_back(archive: Archive, root: Path, on_bytes: Callable[[int], None] = lambda _: None) -> list[str]:
    """Unpack beside the place, check, bring the schema up to date, and only then give it its name. Gives what
    is to be said of the addresses in its settings.

    A folder that is mounted, or holds empty ones at which others may be, keeps its place and is filled.
    """
    remove_moved(root)
    place = root.resolve()  # a rename would put the home in the place of a link, and cannot
    has_place = place.is_dir() and (place.is_mount() or any(place.iterdir()))
    if not has_place:
        place.parent.mkdir(parents=True, exist_ok=True)
    with work_folder(place if has_place else place.parent) as folder, ExitStack() as stack:
        draft = folder / "home"
        draft.mkdir()
        archive.unpack(draft, on_bytes)
        _make_readable(draft / "frames")
        settings, said = settle_addresses(draft, root)
        urls = {OWN_COPY: settings.effective_database_url, LABEL_STUDIO_COPY: label_studio_database(draft)}
        _check_databases(archive, draft, urls)
        servers = _take_servers(stack, urls)
        said = [*said, *_move_contents(draft, settings)]
        for name, server in servers.items():
            dump = draft / (name + ending_of(urls[name]))
            server.load(dump)
            dump.unlink()
        upgrade(settings.effective_database_url)
        _look_at_everything(settings)
        note_databases(settings)
        os.sync()
        for server in servers.values():
            server.complete()
        (fill if has_place else give_name)(draft, place)
    return said


def _check_databases(archive: Archive, draft: Path, urls: Mapping[str, str]) -> None:
    """Raises Conflict where the settings name another kind of database than was copied, BadRequest for a
    damaged one.
    """
    for name, url in urls.items():
        wanted = name + ending_of(url)
        if wanted not in archive.manifest.members:
            raise Conflict(
                f"a backup that holds {', '.join(archive.manifest.about['databases'])}",
                f"{wanted}, as the present settings ask",
                "restore with the settings of that home (SONOLOOP_DATABASE_URL, DJANGO_DB)",
            )
        if is_sqlite(url):
            check_file(draft / wanted)


def _take_servers(stack: ExitStack, urls: Mapping[str, str]) -> dict[str, Filling]:
    """Those of PostgreSQL, which are empty again unless the stack ends well. Raises Conflict where one is
    filled or taken, Unavailable.
    """
    return {
        name: stack.enter_context(filling(url, is_ours=name == OWN_COPY))
        for name, url in urls.items()
        if not is_sqlite(url)
    }


def _move_contents(draft: Path, settings: Settings) -> list[str]:
    """Into the store elsewhere, where one is set. What is there already is read: whole it stays, damaged it
    is replaced, which is said.
    """
    storage = open_storage(draft, settings.storage_url)
    if not isinstance(storage, ObjectStorage):
        return []
    healed = 0
    for kind in ("frames", "masks", "models"):
        for path in sorted((draft / kind).rglob("*.*")):
            healed += storage.heal(kind, path.stem, path.read_bytes())
        if kind != "frames":  # Label Studio serves those from the home
            shutil.rmtree(draft / kind, ignore_errors=True)
    return [f"{healed} damaged contents in the store were replaced by those of the backup"] if healed else []


def _make_readable(frames: Path) -> None:
    for path in frames.rglob("*.png"):
        path.chmod(READABLE)  # Label Studio may run as another user


def _look_at_everything(settings: Settings) -> None:
    """Let the first look of the reconciler compare all of Label Studio with the mirror."""
    with closing(SqlDatabase(settings.effective_database_url)) as database, database.write() as uow:
        for project in uow.projects.list():
            full_looks.note(uow, project.id, full_looks.NEVER)
        uow.commit()
