"""Words of others within lines of ours: shown as they are, they can neither colour a line nor end it."""

from __future__ import annotations

from rich import markup


def escape(text: str) -> str:
    """Markup that shows the text. What a terminal would obey, or show nothing of, is written as in Python.

    A file name may hold anything but a slash: codes that recolour or move what stands there, line breaks,
    bytes that are no text. Tabs stay, which logs are full of.
    """
    return markup.escape(
        "".join(each if each.isprintable() or each == "\t" else _spelt(each) for each in text)
    )


def _spelt(character: str) -> str:
    return ascii(character).strip("'")
