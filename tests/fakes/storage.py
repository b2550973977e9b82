"""A storage in memory, for drills that start over hundreds of times."""

from __future__ import annotations

from loop.errors import NotFound, OutOfSpace


class MemoryStorage:
    """`MemoryStorage()` implements `loop.ports.Storage`; with `is_full = True` writing raises OutOfSpace."""

    def __init__(self) -> None:
        self.content: dict[tuple[str, str], bytes] = {}
        self.is_full = False

    def put(self, kind: str, digest: str, data: bytes) -> None:
        if self.is_full:
            raise OutOfSpace("a full disk", "some room", "make room and try again")
        self.content.setdefault((kind, digest), data)

    def get(self, kind: str, digest: str) -> bytes:
        if (kind, digest) not in self.content:
            raise NotFound(f"unknown content of {kind}", digest=digest)
        return self.content[kind, digest]

    def exists(self, kind: str, digest: str) -> bool:
        return (kind, digest) in self.content
