"""Turn the bytes of an image file into an 8-bit grey frame, and a frame into canonical PNG bytes."""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from loop.errors import BadFrame

FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP", "PPM")
MAX_PIXELS = 40_000_000
MIN_SIDE = 8
BAND_PIXELS = 1_000_000

DAMAGE = (OSError, SyntaxError, ValueError, LookupError, TypeError, EOFError, OverflowError, struct.error)
"""What Pillow's decoders raise on damaged bytes, seen by feeding them truncated and altered files."""


def decode_frame(data: bytes) -> NDArray[np.uint8]:
    """Decode one image file to uint8 (H, W) grey as a viewer shows it.

    EXIF orientation is baked in, transparency is laid on black, palette and colour become grey by ITU-R
    BT.601 luma. Nothing is windowed or rescaled: samples of more than 8 bits are refused. Raises BadFrame
    (empty, no image, damaged, more than one picture, more than 8 bits, larger than 40 Mpx, smaller than 8
    px a side).
    """
    if not data:
        raise BadFrame("an empty file (0 bytes)", "an image", "copy it again from where it came")
    with _damage_mapped(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what matters is checked below; odd tags do not make bad pixels
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            _check_header(image)
            _check_checksums(data, image)
            image.load()
            ImageOps.exif_transpose(image, in_place=True)
            return _grey_by_bands(image)


def encode_png(image: NDArray[np.uint8]) -> bytes:
    """Encode uint8 (H, W) as a PNG with pixels and nothing else; the same pixels give the same bytes."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(buffer, "PNG", compress_level=6)
    return buffer.getvalue()


@contextmanager
def _damage_mapped() -> Iterator[None]:
    try:
        yield
    except BadFrame:
        raise
    except Image.DecompressionBombError as error:
        raise _too_large("an image of far more pixels") from error
    except UnidentifiedImageError as error:
        raise BadFrame(
            "a file that is no image we read, or a damaged one",
            "PNG, JPEG, TIFF, BMP, GIF, WebP or PGM",
            "convert it",
        ) from error
    except DAMAGE as error:
        raise BadFrame(
            "a damaged or truncated image", "a whole one", "copy it again from where it came"
        ) from error


def _check_header(image: Image.Image) -> None:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise _too_large(f"an image of {width} x {height} px")
    if min(width, height) < MIN_SIDE:
        raise BadFrame(f"an image of {width} x {height} px", f"at least {MIN_SIDE} px a side", "leave it out")
    if _has_deep_samples(image):
        todo = (
            "choose the grey window yourself and save 8-bit files: a guessed one could hide the vessel wall"
        )
        raise BadFrame("an image of more than 8 bits per sample", "8-bit", todo)
    if has_more_pictures(image):
        raise BadFrame(
            "a file of several pictures", "one picture a file", "save every picture as a file of its own"
        )


def has_more_pictures(image: Image.Image) -> bool:
    """Whether a file holds a film or several pages. They are not counted, which would read it to its end. An
    MPO is a camera's JPEG: its first picture is the picture.
    """
    return bool(getattr(image, "is_animated", False)) and image.format != "MPO"


def _too_large(got: str) -> BadFrame:
    return BadFrame(got, f"at most {MAX_PIXELS // 1_000_000} Mpx", "crop it to the ultrasound image")


def _has_deep_samples(image: Image.Image) -> bool:
    """Whether samples have more than 8 bits: Pillow cuts 16-bit colour quietly, so ask its decoder."""
    if image.mode in ("I", "F") or image.mode.startswith("I;"):
        return True
    if image.format == "BMP":  # there `;16` counts the bits of a whole pixel
        return False
    arguments = _decoder_arguments(image)
    if image.format == "PPM":  # a number is its white level
        return any(isinstance(argument, int) and argument > 255 for argument in arguments)
    raw_modes = [argument for argument in arguments if isinstance(argument, str)]  # such as "RGB;16B"
    return any(depth in raw_mode for raw_mode in raw_modes for depth in (";12", ";16", ";32"))


def _decoder_arguments(image: Image.Image) -> list[object]:
    found = [tile[3] for tile in getattr(image, "tile", ())]
    return [
        each for arguments in found for each in (arguments if isinstance(arguments, tuple) else (arguments,))
    ]


def _check_checksums(data: bytes, image: Image.Image) -> None:
    """Pillow stops reading a PNG at its last row, before the checksums: walk its chunks once."""
    if image.format == "PNG":
        with Image.open(io.BytesIO(data), formats=("PNG",)) as copy:
            copy.verify()


def _grey_by_bands(image: Image.Image) -> NDArray[np.uint8]:
    """Each step on the way to grey is a picture of its own: of the whole one they would take five times what
    it takes itself.
    """
    width, height = image.size
    grey = np.empty((height, width), np.uint8)
    rows = max(1, BAND_PIXELS // width)
    for top in range(0, height, rows):
        band = image.crop((0, top, width, min(top + rows, height)))
        grey[top : top + rows] = np.asarray(_to_grey(band))
    return grey


def _to_grey(image: Image.Image) -> Image.Image:
    if image.has_transparency_data:
        colour = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", colour.size, (0, 0, 0, 255)), colour).convert("RGB")
    if image.mode not in ("1", "L", "RGB"):
        image = image.convert("RGB")
    return image.convert("L")
