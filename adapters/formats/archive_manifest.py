"""What a sealed archive says of itself, and the names its members may have.

Neither is trusted when it is read: whoever can write the file can write this too.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from loop.errors import BadInput

FORMAT = 1
LONGEST_NAME = 400

WHOLE = "one as it was written"
TODO = "take another copy of it, or another backup; nothing was changed here"


@dataclass(frozen=True)
class Member:
    """Size in bytes and SHA-256 of one file in the archive."""

    size: int
    digest: str


@dataclass(frozen=True)
class Manifest:
    """What the archive says of itself: `about` is the writer's, `members` is everything but the two last."""

    about: Mapping[str, Any]
    members: Mapping[str, Member]

    def to_bytes(self) -> bytes:
        """As JSON."""
        members = {name: [each.size, each.digest] for name, each in self.members.items()}
        return json.dumps({"format": FORMAT, "about": dict(self.about), "members": members}).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Manifest:
        """Raises BadInput for bytes that are no manifest, or that of a later form."""
        try:
            read = json.loads(data)
            if read["format"] > FORMAT:
                raise BadInput("a backup of a newer Sonoloop", f"form {FORMAT} or older", "update Sonoloop")
            members = {
                str(name): Member(int(size), str(sha)) for name, (size, sha) in read["members"].items()
            }
            return cls(dict(read["about"]), members)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise BadInput("a backup without a readable manifest", WHOLE, TODO) from error


def check_name(name: str) -> None:
    """Raises BadInput for a name that could lead out of the folder it is unpacked into."""
    parts = PurePosixPath(name).parts
    is_plain = name == "/".join(parts) and not any(part in ("..", ".", "/") for part in parts)
    if not is_plain or not name or "\\" in name or not _is_printable(name) or len(name) > LONGEST_NAME:
        raise BadInput("a backup with a name that leads elsewhere", "plain relative names", TODO)


def _is_printable(name: str) -> bool:
    """Python counts the spaces of other scripts out; cameras and Macs put them between time and AM."""
    return all(each.isprintable() or unicodedata.category(each) == "Zs" for each in name)
