"""Giving a restored home its place; and knowing a restoration that was killed before or while it did, so that
nobody takes what it left for a home.
"""

from __future__ import annotations

import json
import os
import shutil
from contextlib import suppress
from pathlib import Path

from adapters.environment import label_studio_database, load_settings
from adapters.locks import holder
from adapters.services.paths import Paths
from adapters.settings import Settings
from adapters.unfinished import leftovers
from loop.errors import BadRequest, Conflict, Unavailable

MOVING = "moving"
"""Beside the draft: a list of what is moved into the home, for as long as it is."""


def give_name(draft: Path, root: Path) -> None:
    """Raises Conflict where something came there meanwhile, such as another restoration."""
    try:
        draft.rename(root)  # over an empty folder too, never over a filled one
    except OSError:
        require_free(root)
        raise


def fill(draft: Path, root: Path) -> None:
    """Move each file to its place, on other disks too; where that fails, none is left there."""
    names = sorted(each.relative_to(draft) for each in draft.rglob("*") if each.is_file())
    (draft.parent / MOVING).write_text(json.dumps([str(each) for each in names]), encoding="utf-8")
    os.sync()
    moved: list[Path] = []
    try:
        for name in names:
            target = root / name
            if target.exists():
                require_free(root)
            target.parent.mkdir(parents=True, exist_ok=True)
            moved.append(target)
            shutil.move(draft / name, target)
        os.sync()
    except BaseException:
        for target in moved:
            target.unlink(missing_ok=True)
        raise


def require_free(root: Path) -> None:
    """Raises Conflict for a folder that holds any file, be it that of a home whose services run, BadRequest
    for a link to nothing.
    """
    if root.is_symlink() and not root.exists():
        raise BadRequest(
            f"{root}, a link to {root.readlink()}, which is not there",
            "a folder, or a link to one",
            "mount the disk that it is on, or make that folder; nothing was unpacked",
        )
    if not root.exists() or (root.is_dir() and not _holds_files(root)):
        return
    is_running = holder(Paths(load_settings(root)).supervisor_lock) is not None
    raise Conflict(
        f"{'services that run' if is_running else 'data'} in {root}",
        "a folder that is empty or not there",
        "name another by --home; nothing that is there is ever replaced",
    )


def remove_moved(root: Path) -> None:
    """Take away what a killed restoration had moved into its place."""
    for path in _moved_by_killed(root):
        path.unlink(missing_ok=True)


def require_restored(settings: Settings) -> None:
    """Raises Conflict where a restoration was killed after its databases were filled and before its home was
    in its place.
    """
    root = settings.root
    if _moved_by_killed(root):
        got = f"half a home in {root}: a restoration was ended while it moved the files there"
    elif not (root.is_dir() and _holds_files(root)) and _is_filled(settings):
        got = f"filled databases and no home in {root}: a restoration was ended before it was there"
    else:
        return
    raise Conflict(got, "all of it", "./sonoloop restore FILE again, to the same --home, which begins anew")


def _is_filled(settings: Settings) -> bool:
    """Whether a restoration has filled our databases, and nobody has opened them since."""
    from db.filling import is_marked_complete  # loads SQLAlchemy, which a look at a home needs not

    urls = (settings.effective_database_url, label_studio_database(settings.root))
    with suppress(Unavailable):  # which is told by whoever needs them
        return any(is_marked_complete(url) for url in urls)
    return False


def _moved_by_killed(root: Path) -> set[Path]:
    """Each file that a killed restoration moved into the home, or was about to."""
    found: set[Path] = set()
    for folder in leftovers(root):
        with suppress(OSError, ValueError):  # not come so far, or not half written
            found |= {root / name for name in json.loads((folder / MOVING).read_text(encoding="utf-8"))}
    return found


def _holds_files(root: Path) -> bool:
    """Empty folders count for nothing, since volumes are mounted at some; nor does what a killed one left."""
    left, moved = leftovers(root), _moved_by_killed(root)
    for place, folders, files in os.walk(root):
        inside = [Path(place, name) for name in folders]
        if any(Path(place, name) not in moved for name in files) or any(each.is_symlink() for each in inside):
            return True
        folders[:] = [each.name for each in inside if each not in left]
    return False
