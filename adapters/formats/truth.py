"""Truth masks drawn elsewhere: index PNGs beside the frames, read by a class map."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from adapters.formats.links import leads_out
from adapters.formats.pixels import DAMAGE, MAX_PIXELS, has_more_pictures
from loop.errors import BadMask, BadRequest, NotFound

MAX_CLASSES = 254
SINGLE_CLASS_VALUE = 255


@dataclass(frozen=True)
class ClassMap:
    """Classes in drawing order and, where given, the pixel value of each in a truth mask.

    Without values class i is i + 1, and the only class may also be drawn as 255; other values are then
    refused. With values, all others count as background.
    """

    names: tuple[str, ...]
    values: tuple[int, ...] | None = None


def parse_classes(text: str) -> ClassMap:
    """Read `Vein,Artery` or `vein=2,artery=1`. Raises BadRequest (empty, repeated, mixed forms, value not
    in 1..255).
    """
    pairs = [part.strip().partition("=") for part in text.split(",")]
    names = tuple(name.strip() for name, _, _ in pairs)
    if not all(names) or len(names) > MAX_CLASSES:
        raise BadRequest(
            "a class without a name", f"1 to {MAX_CLASSES} names, such as Vein,Artery", "name every class"
        )
    if not all(name.isprintable() for name in names):
        raise BadRequest("a class name with a character that cannot be seen", "plain names", "type it again")
    if len({name.casefold() for name in names}) < len(names):
        raise BadRequest("two classes of one name", "different names", "rename one")
    if not any(equals for _, equals, _ in pairs):
        return ClassMap(names)
    return ClassMap(names, _parse_values([value.strip() for _, _, value in pairs]))


def _parse_values(texts: list[str]) -> tuple[int, ...]:
    wrong = [text for text in texts if not (text.isascii() and text.isdigit() and 1 <= int(text[:4]) <= 255)]
    if wrong:
        todo = "write --classes such as vessel=2,nerve=1, with the value that each has in the masks' pixels"
        need = "name=value for every class or none, values in 1..255"
        raise BadRequest(f"a class whose value is {wrong[0][:20]!r}", need, todo)
    values = tuple(int(text) for text in texts)
    if len(set(values)) < len(values):
        raise BadRequest(
            "two classes of one value", "different values", "give each the value of its own pixels"
        )
    return values


@dataclass(frozen=True)
class TruthFolder:
    """A folder that holds `x.png` for a frame `x.*`, in the same sub-folder."""

    folder: Path
    classes: ClassMap

    def read(self, relative: PurePosixPath, height: int, width: int) -> NDArray[np.bool_]:
        """Bool (C, H, W) for the frame file at this path under its own folder; an empty mask gives all False.

        Raises NotFound when there is no mask, BadMask when it does not fit or lies outside the folder.
        """
        path = self.folder / relative.with_suffix(".png")
        if leads_out(self.folder, path):
            raise BadMask("a link that leads out of the folder", "a file in it", "copy the mask there")
        if not path.is_file():
            raise NotFound(
                "no truth mask for a frame", "a PNG of the frame's name", "add it or leave the frame out"
            )
        return read_truth(path, self.classes, height, width)


def read_truth(path: Path, classes: ClassMap, height: int, width: int) -> NDArray[np.bool_]:
    """Read an index mask to bool (C, H, W). Raises BadMask (damaged, colours, wrong size, values outside
    the map).
    """
    indices = _read_indices(path, height, width)
    return np.stack([indices == value for value in _values_in(indices, classes)])


def _read_indices(path: Path, height: int, width: int) -> NDArray[np.uint8]:
    try:
        with Image.open(path, formats=("PNG", "TIFF", "BMP", "GIF")) as image:
            if image.size != (width, height) or width * height > MAX_PIXELS:
                got = f"a mask of {image.size[0]} x {image.size[1]} px"
                raise BadMask(got, f"the frame's {width} x {height} px", "draw it on this frame")
            if has_more_pictures(image):
                raise BadMask("a mask of several pictures", "one", "save every picture as a file of its own")
            if image.mode not in ("1", "L", "P"):
                raise BadMask(
                    f"a mask with pixels of type {image.mode}", "class numbers, 8-bit", "save it as indices"
                )
            return np.asarray(image).astype(np.uint8)
    except UnidentifiedImageError as error:
        raise BadMask("a file that is no image", "an index PNG", "convert it") from error
    except Image.DecompressionBombError as error:
        raise BadMask(
            "a mask of far more pixels", f"the frame's {width} x {height} px", "draw it on this frame"
        ) from error
    except DAMAGE as error:
        raise BadMask("a damaged or truncated mask", "a whole one", "copy it again") from error


def _values_in(indices: NDArray[np.uint8], classes: ClassMap) -> tuple[int, ...]:
    if classes.values:
        return classes.values
    count = len(classes.names)
    present = set(np.unique(indices).tolist()) - {0}
    if count == 1 and present == {SINGLE_CLASS_VALUE}:
        return (SINGLE_CLASS_VALUE,)
    unknown = sorted(present - set(range(1, count + 1)))
    if unknown:
        todo = "say which value is which, as in --classes vessel=2"
        raise BadMask(f"a mask with values {unknown[:8]}", f"0..{count}", todo)
    return tuple(range(1, count + 1))
