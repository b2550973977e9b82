"""The labelling interface as Label Studio's XML: one brush over one image, a label for each class."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import quoteattr  # it writes XML and reads none  # nosec B406

from loop.errors import BadRequest
from loop.regions import CONTROL, IMAGE

COLOURS = (
    *("#E8384F", "#2F80ED", "#F2C94C", "#27AE60", "#9B51E0"),
    *("#F2994A", "#00B8D9", "#EB5FA8", "#8D6E63", "#A0C334"),
)
"""Told apart on grey, by colour-blind readers too for the first four; reused from the eleventh class on."""
HOTKEYS = "1234567890"
LONGEST_CLASS = 60


def label_config(classes: Sequence[str]) -> str:
    """The interface for classes in drawing order; equal lists give equal text. Raises BadRequest for a list
    that Label Studio could not tell apart.
    """
    _check(classes)
    labels = "\n".join(f"    {_label(name, place)}" for place, name in enumerate(classes))
    return (
        "<View>\n"
        f'  <Image name="{IMAGE}" value="${IMAGE}" zoom="true" zoomControl="true" rotateControl="false"'
        ' brightnessControl="true" contrastControl="true"/>\n'
        f'  <BrushLabels name="{CONTROL}" toName="{IMAGE}">\n{labels}\n  </BrushLabels>\n'
        "</View>"
    )


def _label(name: str, place: int) -> str:
    hotkey = f' hotkey="{HOTKEYS[place]}"' if place < len(HOTKEYS) else ""
    return f'<Label value={quoteattr(name)} background="{COLOURS[place % len(COLOURS)]}"{hotkey}/>'


def _check(classes: Sequence[str]) -> None:
    if not classes:
        raise BadRequest("no class", "at least one", "name what is to be drawn, for instance --classes Vein")
    for name in classes:
        if not name or name != name.strip() or not name.isprintable() or len(name) > LONGEST_CLASS:
            raise BadRequest(
                f"the class {name[:LONGEST_CLASS]!r}",
                f"1 to {LONGEST_CLASS} printable characters without blanks around them",
                "rename it",
            )
    folded = [name.casefold() for name in classes]
    twice = [name for name, key in zip(classes, folded, strict=True) if folded.count(key) > 1]
    if twice:
        raise BadRequest(f"classes named alike: {', '.join(twice)}", "each once", "rename or remove one")
