"""From which folder frames are named: one inside a folder that was added before is seen from that one, so
that `patient7/clipA` stays what it is when `patient7`, or `clipA`, is added by itself.
"""

from __future__ import annotations

import json
from pathlib import Path

from adapters.formats.clips import pseudonym
from loop.ports import UnitOfWork


def find_root(uow: UnitOfWork, project_id: int, folder: Path, salt: bytes) -> Path:
    """The outermost folder around this one that was added to the project before, else the folder itself; with
    links resolved.
    """
    own, known = folder.resolve(), _known(uow, project_id)
    around = reversed(own.parents)
    return next((each for each in around if _name(each, salt) in known), own)


def remember_root(uow: UnitOfWork, project_id: int, root: Path, salt: bytes) -> None:
    """Keep a folder as one that was added, by a pseudonym of its path. The caller commits."""
    known = _known(uow, project_id) | {_name(root, salt)}
    uow.marks.set_cursor(_cursor(project_id), json.dumps(sorted(known)))


def _known(uow: UnitOfWork, project_id: int) -> set[str]:
    return set(json.loads(uow.marks.cursor(_cursor(project_id)) or "[]"))


def _name(folder: Path, salt: bytes) -> str:
    return pseudonym(salt, "folder", str(folder))


def _cursor(project_id: int) -> str:
    return f"added-folders-{project_id}"
