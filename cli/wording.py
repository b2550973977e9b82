"""How counts are told."""

from __future__ import annotations


def counted(count: int, noun: str, plural: str = "") -> str:
    """`1 clip`, `2 clips`; with `plural` where an s does not make it."""
    return f"{count} {noun if count == 1 else plural or noun + 's'}"
