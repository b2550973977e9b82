"""Taking a folder of frames into a project, with progress; a bad file is set aside and stops nothing else."""

from __future__ import annotations

import os
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

from adapters.bootstrap import Container
from adapters.formats.clips import ClipSource, pseudonym
from adapters.formats.frames import FrameFile, RejectedFile, list_files, walk_frames
from cli.intake_report import FolderRead, foretell, report
from cli.roots import find_root, remember_root
from cli.shell import console, progress, say
from loop.errors import BadRequest
from loop.intake import Added, IntakePorts, SplitRule, add_frames
from loop.ports import Storage, UnitOfWork
from loop.records import Project
from loop.storing import store_frames

LOOK_SECONDS = 0.5
STORED_AT_ONCE = 16


def require_folder(folder: Path) -> None:
    """Raises BadRequest unless it is a folder with files in it: said before anything starts."""
    if not folder.is_dir():
        raise BadRequest(f"{folder}, which is no folder", "a folder of frames", "check the path")
    if not list_files(folder):
        got = f"{folder}, an empty folder (hidden files do not count)"
        raise BadRequest(got, "image files in it or in its sub-folders", "check the path, or copy them there")


def take_in(
    container: Container,
    project: Project,
    folder: Path,
    on_frame: Callable[[FrameFile], None] = lambda _: None,
    salt: bytes = b"",
    *,
    is_independent: bool = False,
) -> Added:
    """Read, check, store and import a folder, and say what came of it; the same folder again adds nothing.

    Without a `salt` the home's secret hides what clips are called; where they have the same pseudonyms, the
    same are held out. `is_independent`: frames that are clips of their own are meant so.
    Raises BadRequest for a folder that is none, one without a single usable file, or an unusable index.csv,
    Conflict while another intake goes on, Unavailable without Label Studio.
    """
    salt = salt or _secret(container)
    root = _find_root(container, project, folder, salt)
    with _storing(container.storage) as store:
        read = _read_folder(folder, salt, root, on_frame, store)
    _set_aside(container, read)
    ports = IntakePorts(container.database, container.label_studio, container.queue, container.clock)
    rule = _rule(container, project)

    def remember(uow: UnitOfWork) -> None:
        if read.frames:
            remember_root(uow, project.id, root, salt)

    added = add_frames(
        ports, rule, project.id, read.frames, _wait_for_other, claims=read.claims, beside=remember
    )
    report(read, added, is_independent)
    if read.rejected and not read.frames:
        raise BadRequest(
            f"a folder of {len(read.rejected)} files of which none can be used",
            "frames",
            "mend the files by what is said of each, then the same command again; nothing was added",
        )
    return added


def look_ahead(
    container: Container | None,
    project: Project | None,
    folder: Path,
    salt: bytes = b"",
    *,
    is_independent: bool = False,
) -> Added:
    """Read a folder and say what `take_in` would make of it; nothing is stored.

    Without a project, as before the first `up`, all frames are new; without a home their pseudonyms are made
    by a secret of the moment. Raises BadRequest as `take_in`.
    """
    salt = salt or (os.urandom(32) if container is None else _secret(container))
    if container is None or project is None:
        read = _read_folder(folder, salt, folder.resolve())
        place_of = {each.digest: (each.clip, each.patient) for each in reversed(read.claims)}
        known = len(read.frames) - len(place_of)
        added = Added(len(place_of), known, 0, 0, places=Counter(place_of.values()))
    else:
        read = _read_folder(folder, salt, _find_root(container, project, folder, salt))
        with container.database.write() as uow:  # left without a commit
            rule = _rule(container, project)
            added = store_frames(uow, rule, project.id, read.frames, container.clock(), read.claims)
    foretell(read, added, is_independent)
    return added


def _find_root(container: Container, project: Project, folder: Path, salt: bytes) -> Path:
    """As `roots.find_root`, and said where it is another folder than the one that was given."""
    with container.database.read() as uow:
        root = find_root(uow, project.id, folder, salt)
    levels = len(folder.resolve().relative_to(root).parts)
    if levels:
        where = f"a folder around it that was added before, {levels} level{'s' * (levels > 1)} up"
        say(console, f"clips and patients are named as seen from {where}")
    return root


def _secret(container: Container) -> bytes:
    return container.settings.salt.get_secret_value().encode()


def _rule(container: Container, project: Project) -> SplitRule:
    settings = container.settings
    chosen = {"held_out_fraction": settings.held_out_fraction, "seed": settings.seed, **project.settings}
    return SplitRule(float(chosen["held_out_fraction"]), int(chosen["seed"]))


def _read_folder(
    folder: Path,
    salt: bytes,
    root: Path,
    on_frame: Callable[[FrameFile], None] = lambda _: None,
    store: Callable[[str, bytes], None] = lambda *_: None,
) -> FolderRead:
    read = FolderRead()
    columns = (TextColumn("reading frames"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with progress(*columns) as bars:
        task = bars.add_task("frames", total=None)

        def show(done: int, total: int) -> None:
            bars.update(task, completed=done, total=total)

        for item in walk_frames(folder, salt, show, root, read.hear_index):
            if isinstance(item, RejectedFile):
                read.rejected.append(item)
                continue
            store(item.digest, item.png)
            read.frames.append(item.to_new_frame())
            read.claims.append(item.to_claim())
            read.source_of_clip.setdefault(item.clip, item.identity.source.value)
            if item.identity.source is ClipSource.ALONE:
                read.stem_of_lone_clip.setdefault(item.clip, item.relative.stem)
            elif item.identity.source is ClipSource.INDEX and len(item.relative.parts) == 1:
                read.stems_beside.append(item.relative.stem)
            read.usable.add(pseudonym(salt, "file", str(item.relative)))
            on_frame(item)
    return read


@contextmanager
def _storing(storage: Storage) -> Iterator[Callable[[str, bytes], None]]:
    """Store frames side by side, since nearly all of the time is waiting for the disk to confirm.

    All are stored when the block ends. Raises what storing raised, at one of the next frames or at the end.
    """
    under_way: deque[Future[None]] = deque()
    with ThreadPoolExecutor(STORED_AT_ONCE) as pool:

        def store(digest: str, png: bytes) -> None:
            if len(under_way) == STORED_AT_ONCE:
                under_way.popleft().result()
            under_way.append(pool.submit(storage.put, "frames", digest, png))

        yield store
        for each in under_way:
            each.result()


def _set_aside(container: Container, read: FolderRead) -> None:
    """Keep what was refused on the list, and strike off it what has been mended since."""
    with container.database.write() as uow:
        for item in read.rejected:
            uow.marks.set_aside("file", item.subject, item.error.message, container.clock())
        listed = {each.subject for each in uow.marks.list_set_aside() if each.kind == "file"}
        for subject in listed & read.usable:
            uow.marks.resolve("file", subject)
        uow.commit()


def _wait_for_other(seconds: float) -> None:
    """Look again in a moment; an intake that was killed keeps others out for so many seconds more."""
    with console.status(f"another intake is at it: {seconds:.0f} s more, or until it is done"):
        time.sleep(min(LOOK_SECONDS, seconds))
