"""What is done to a frame before a network sees it: one frozen value for training and serving, kept with the
model.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from loop.errors import BadRequest
from trainer.nearest import meant

CROPS = ("none", "box", "borders")
UNITS = ("share", "px")
KINDS: dict[type, str] = {
    str: "a word in quotes",
    bool: "true or false",
    int: "a whole number",
    float: "a finite number",
    tuple: "four finite numbers",
}
LARGEST = sys.float_info.max
"""NaN, the infinities and integers that no float holds are none below it."""
MAX_GRID = 64
THINNEST = {"share": (0.01, "shares"), "px": (8, "px")}
"""By unit: a thinner box holds no picture."""
MAX_SIDE = 8192
OVERLAPS = (0.125, 0.75)
"""Below the first a step where two tiles meet is steep enough to be seen; above the last every pixel is
looked at sixteen times and more.
"""


@dataclass(frozen=True)
class Preparation:
    """From an 8-bit grey frame to what a network sees, and the way back for its probabilities.

    First the frame is cropped: not at all ("none"), to `box` = (left, top, right, bottom) in shares of its
    sides or in px (`box_unit`), or to what lies within black borders and a scanner's surround ("borders").
    Then CLAHE evens its local contrast, with a `clahe_clip` above 0, on a grid of `clahe_grid` squared
    fields. Then it is scaled into a box of the recipe's size; or, with `tiles`, so that its longest side has
    `tile_frame` px (0: its own pixels), and cut into tiles of the recipe's size that overlap by at least
    `tile_overlap` of their side. Training draws tiles at random, `vessel_tiles` of them around a pixel of a
    class, where a frame has one. The default is the box alone. Raises BadRequest for what cannot be done.
    """

    crop: str = "none"
    box: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)
    box_unit: str = "share"
    clahe_clip: float = 0.0
    clahe_grid: int = 8
    tiles: bool = False
    tile_frame: int = 0
    tile_overlap: float = 0.5
    vessel_tiles: float = 0.5

    def __post_init__(self) -> None:
        _check_types(self)
        _check_choice("crop", self.crop, CROPS)
        _check_choice("box unit", self.box_unit, UNITS)
        left, top, right, bottom = self.box
        if not (0 <= left < right and 0 <= top < bottom):
            need = "left, top, right, bottom, none negative, left before right and top before bottom"
            raise BadRequest(f"a box of {self.box}", need, 'write it such as "box": [0.1, 0, 0.9, 1]')
        thinnest, unit = THINNEST[self.box_unit]
        if min(right - left, bottom - top) < thinnest:
            todo = f"write left, top, right, bottom, in this order, {thinnest:g} or more apart"
            raise BadRequest(f"a box of {self.box} ({unit})", f"sides of at least {thinnest:g} {unit}", todo)
        if self.box_unit == "share" and max(right, bottom) > 1:
            todo = 'divide them by the sides of a frame, or add "box_unit": "px"'
            raise BadRequest(f"a box of {self.box} shares", "0 to 1", todo)
        _check_range("clahe_clip", self.clahe_clip, 0, 255, "take 2, or 0 to leave the contrast as it is")
        _check_range("clahe_grid", self.clahe_grid, 1, MAX_GRID, "take 8")
        _check_range("tile_frame", self.tile_frame, 0, MAX_SIDE, "take 512, or 0 for a frame's own pixels")
        _check_range("tile_overlap", self.tile_overlap, *OVERLAPS, "take 0.5")
        _check_range("vessel_tiles", self.vessel_tiles, 0, 1, "take 0.5: every second tile around a vessel")

    def to_dict(self) -> dict[str, Any]:
        """Give it in JSON's types; `preparation_from_dict` reads it."""
        return asdict(self) | {"box": list(self.box)}


def preparation_from_dict(values: object) -> Preparation:
    """Read what `Preparation.to_dict` wrote, or a name of `PREPARATIONS`; what is missing is as by default.

    Raises BadRequest for unknown names and keys and for impossible values.
    """
    if isinstance(values, str):
        _check_choice("preparation", values, tuple(sorted(PREPARATIONS)))
        return PREPARATIONS[values]
    if not isinstance(values, Mapping):
        todo = 'write it such as "clahe", or {"crop": "borders", "clahe_clip": 2}'
        raise BadRequest(f"a preparation of {str(values)[:40]!r}", "a name or an object", todo)
    known = {field.name for field in fields(Preparation)}
    unknown = sorted({str(key)[:40] for key in values} - known)
    if unknown:
        got = f"unknown preparation keys {', '.join(unknown[:5])}"
        todo = meant(unknown[0], known, "leave it out; docs/preparation.md says what each is for")
        raise BadRequest(got, f"some of {', '.join(sorted(known))}", todo)
    box = values.get("box")
    return Preparation(**{**values, **({"box": tuple(box)} if isinstance(box, list) else {})})


def _check_types(preparation: Preparation) -> None:
    """What comes from a file may be of any type; whole numbers do for others."""
    for field in fields(Preparation):
        value, kind = getattr(preparation, field.name), type(field.default)
        if kind is tuple:
            is_good = isinstance(value, tuple) and len(value) == 4 and all(map(_is_number, value))
        else:
            is_good = _is_number(value) if kind is float else type(value) is kind
        if not is_good:
            got = f"{field.name} = {str(value)[:40]!r} in a preparation"
            raise BadRequest(got, KINDS[kind], f"write it such as {json.dumps({field.name: field.default})}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST


def _check_choice(what: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        todo = meant(value, choices, "docs/preparation.md says what each does")
        raise BadRequest(f"{what} {value[:40]!r}", f"one of {', '.join(choices)}", todo)


def _check_range(what: str, value: float, least: float, most: float, todo: str) -> None:
    if not least <= value <= most:
        raise BadRequest(f"{what} = {str(value)[:40]} in a preparation", f"{least} to {most}", todo)


PLAIN = Preparation()
"""What every model has had that says nothing of its preparation."""

RETINAL = Preparation(clahe_clip=2.0, tiles=True, tile_frame=512)

PREPARATIONS: dict[str, Preparation] = {
    "plain": PLAIN,
    "borders": Preparation(crop="borders"),
    "clahe": Preparation(clahe_clip=2.0),
    "tiles": Preparation(tiles=True),
    "retinal": RETINAL,
}
