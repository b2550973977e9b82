"""What somebody may have meant who wrote a word that is not known."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

LONGEST_WORD = 80
"""Of a word from elsewhere; comparing a longer one would take its time."""


def meant(word: object, known: Iterable[str], otherwise: str) -> str:
    """Ask for the known words that are nearest to one, or say `otherwise` where none is near."""
    near = get_close_matches(str(word)[:LONGEST_WORD].lower(), list(known), n=3, cutoff=0.5)
    return f"did you mean {' or '.join(near)}?" if near else otherwise
