"""Links in folders that people hand us: they are followed within the folder and not out of it."""

from __future__ import annotations

from pathlib import Path


def leads_out(folder: Path, path: Path) -> bool:
    """Whether `path`, a name under `folder`, is really somewhere else: a link there, or under one, could make
    any file of this machine a frame that readers see. The folder itself may be a link: a person named it.
    """
    try:
        return not path.resolve().is_relative_to(folder.resolve())
    except RuntimeError:  # links in a circle lead nowhere, not even out: they are read as no file
        return False
    except OSError:
        return True
