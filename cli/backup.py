"""`sonoloop backup`: one file with everything that a home holds and that cannot be made anew.

The order is what makes it consistent. Our database is copied first, Label Studio's second, content last. So
the mirror of the copy is never ahead of its Label Studio: what a reader submitted in between is in Label
Studio's copy, and the reconciler fetches it after the restoration. The other way round, the mirror would hold
annotations that Label Studio lost: it would bury them, and Label Studio would give their ids to others.
What the loop itself writes to both (projects, frames, model versions) may not move between the two copies;
where it did, they are taken again. Content is immutable and named by its digest, so copied last it has all
that the rows name.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from adapters.disk import sync_folder
from adapters.environment import label_studio_database
from adapters.formats.archive import ArchiveWriter, private
from adapters.formats.archive_manifest import Manifest
from adapters.home_files import SECRETS_FILE, SETTINGS_FILE
from adapters.settings import Settings
from adapters.storage import open_storage
from adapters.storage.layout import place_of
from adapters.unfinished import work_folder
from cli import VERSION
from cli.elsewhere import require_noted_database, require_noted_label_studio
from cli.home import find_home
from cli.markup import escape
from cli.shell import console, progress, say
from cli.uploads import add_uploads
from db.backup import copy_database, is_sqlite, list_contents, require_database, stand
from db.schema import current
from loop.errors import BadInput, BadRequest, Conflict, NotFound

OWN_COPY, LABEL_STUDIO_COPY = "db/sonoloop", "label-studio/label_studio"
SQLITE, DUMP = ".sqlite3", ".dump"
TRIES = 5
OnStep = Callable[[str], None]
OnContent = Callable[[int, int], None]


def back_up(home: Path | None, file: Path) -> None:
    """Write a home into one new file, while it runs, and say what the file holds.

    Raises BadRequest for a file that is there already or in the home itself, NotFound for a home without a
    database or without the address of one, Conflict while frames are taken in: then no file is left. Raises
    BadInput where stored content is damaged or missing, or an upload is a link or has a name that cannot be
    restored: then the file holds all the rest.
    """
    settings = find_home(home)
    require_noted_database(settings)
    require_noted_label_studio(settings)
    _require_outside(file, settings.root)
    with progress() as bars:
        task = bars.add_task("copying the databases", total=None)
        manifest = write_backup(
            settings,
            file,
            lambda what: bars.update(task, description=f"copying {what}"),
            lambda done, total: bars.update(task, completed=done, total=total),
        )
    about, size = manifest.about, file.stat().st_size
    counts = ", ".join(f"{number} {kind}" for kind, number in about["counts"].items())
    say(console, f"{counts}; {size / 1e6:.1f} MB in {escape(str(file))}")
    say(console, "it holds passwords and frames of patients: keep it where only you can read it")
    for each in about["left_out"]:
        say(console, f"not in it: {escape(each)}")
    _require_all(about)


def _require_all(about: Mapping[str, Any]) -> None:
    if about["left_out"]:
        raise BadInput(
            f"uploads that cannot be in a backup ({len(about['left_out'])}), as {about['left_out'][0]}",
            "plain files, in names without control characters",
            "put the file itself where a link is, rename what is named so; all the rest is in the backup",
        )
    if about["missing"]:
        raise BadInput(
            f"{len(about['missing'])} stored contents that are damaged or missing, and so not in the backup",
            "whole ones",
            "bring them back from an older backup; ./sonoloop doctor says more",
        )


def _require_outside(file: Path, root: Path) -> None:
    if file.resolve().is_relative_to(root.resolve()):
        raise BadRequest(
            f"{file}, which lies in the home itself",
            "a place outside it: what happens to the home must not happen to its backup",
            "name a file in another folder, best on another disk",
        )


def write_backup(
    settings: Settings,
    file: Path,
    on_step: OnStep = lambda _: None,
    on_content: OnContent = lambda _done, _total: None,
) -> Manifest:
    """The same without a word; `on_step` hears what is copied next, `on_content` how much of the content is.

    The file appears whole or not at all, also where several are written to one name: then the first stays.
    """
    if file.exists():
        raise BadRequest(f"{file}, which is there already", "a new file", "name another, or remove it")
    with work_folder(file.parent, settings.root) as folder:
        copies, part = copy_databases(settings, folder, on_step), folder / "backup.tar"
        with open(part, "xb", opener=private) as stream:
            writer = ArchiveWriter(stream)
            for name, path in copies.files.items():
                writer.add_file(name, path)
            _add_settings(writer, settings)
            left_out = add_uploads(writer, settings.root)
            on_step("frames, masks and models")
            counts, missing = _add_contents(writer, settings, folder, on_content)
            lacks = {"missing": missing, "left_out": left_out}
            manifest = writer.finish({**copies.about, "counts": counts, **lacks})
            stream.flush()
            os.fsync(stream.fileno())
        _give_name(part, file)
    return manifest


@dataclass(frozen=True)
class Copies:
    """Both databases as files, by their names in the archive, and what the manifest says of them."""

    files: dict[str, Path]
    about: dict[str, Any]


def copy_databases(settings: Settings, folder: Path, on_step: OnStep = lambda _: None) -> Copies:
    """Copy ours, then Label Studio's, until nothing of what the loop writes to both moved in between.

    Raises Conflict where it moves all the time.
    """
    ours, theirs = settings.effective_database_url, label_studio_database(settings.root)
    _require_label_studio(settings, theirs)
    require_database(ours)
    names = {OWN_COPY + ending_of(ours): ours, LABEL_STUDIO_COPY + ending_of(theirs): theirs}
    for number in range(TRIES):
        before, at = stand(ours), datetime.now(UTC)
        files = {name: folder / f"{number}-{Path(name).name}" for name in names}
        for (name, url), what in zip(names.items(), ("our database", "Label Studio's database"), strict=True):
            on_step(what)
            copy_database(url, files[name])
        if stand(ours) == before:
            about = {"version": VERSION, "revision": current(ours), "taken_at": at.isoformat()}
            return Copies(files, about | {"databases": sorted(names)})
        for path in files.values():
            path.unlink()
    raise Conflict(
        "frames or models that are being added",
        "a quiet minute",
        "wait until the intake has ended, then again",
    )


def _require_label_studio(settings: Settings, url: str) -> None:
    if settings.label_studio_url and is_sqlite(url) and not Path(url.removeprefix("sqlite:///")).exists():
        raise BadRequest(
            "a Label Studio elsewhere, whose database is not named",
            "DJANGO_DB=default and the POSTGRE_ variables that it is started with",
            "set them for this command too",
        )


def ending_of(url: str) -> str:
    """What the copy of a database ends in; by it a restoration knows which kind it was."""
    return SQLITE if is_sqlite(url) else DUMP


def _add_settings(writer: ArchiveWriter, settings: Settings) -> None:
    for name in (SECRETS_FILE, SETTINGS_FILE):
        path = settings.root / name
        if path.exists():
            writer.add_file(name, path)


def _add_contents(
    writer: ArchiveWriter, settings: Settings, folder: Path, on_content: OnContent
) -> tuple[dict[str, int], list[str]]:
    """Every content that a row names, checked on its way; of a store elsewhere nothing is kept in the home.

    Gives how many were added of each kind, and the places of those that are damaged or missing.
    """
    storage = open_storage(folder / "store" if settings.storage_url else settings.root, settings.storage_url)
    contents = list_contents(settings.effective_database_url)
    total, done = sum(map(len, contents.values())), 0
    counts, missing = dict.fromkeys(contents, 0), []
    for kind, digests in contents.items():
        for digest in sorted(digests):
            place = place_of(kind, digest)
            try:
                writer.add_bytes(str(place), storage.get(kind, digest))
                counts[kind] += 1
            except (NotFound, BadInput):
                missing.append(str(place))
            (folder / "store" / place).unlink(missing_ok=True)
            done += 1
            on_content(done, total)
    return counts, missing


def _give_name(part: Path, file: Path) -> None:
    """Raises BadRequest where another file has that name by now: it is never replaced."""
    try:
        _link(part, file)
    except FileExistsError as error:
        raise BadRequest(f"{file}, which is there by now", "a new file", "name another") from error
    sync_folder(file.parent)


def _link(part: Path, file: Path) -> None:
    try:
        os.link(part, file)
    except FileExistsError:
        raise
    except OSError:  # a file system without links: the name is taken first, since a rename would replace
        os.close(private(str(file), os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        part.replace(file)
