"""Image files become 8-bit grey frames, or are refused with a reason; every file here is really made."""

from __future__ import annotations

import io
import struct
import zlib
from contextlib import suppress
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from adapters.formats.pixels import BAND_PIXELS, MAX_PIXELS, decode_frame, encode_png
from loop.errors import BadFrame

FORMATS = ["PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP", "PPM"]
LOSSLESS = ["PNG", "TIFF", "BMP", "GIF", "PPM"]
ORIENTATION = 0x0112


def some_image(height: int = 20, width: int = 30) -> NDArray[np.uint8]:
    return np.random.default_rng(3).integers(0, 256, (height, width), dtype=np.uint8)


def saved(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def refusal(data: bytes) -> str:
    with pytest.raises(BadFrame) as caught:
        decode_frame(data)
    assert caught.value.need
    assert caught.value.todo
    return caught.value.message


@pytest.mark.parametrize("kind", LOSSLESS)
def test_grey_pixels_arrive_unchanged(kind: str) -> None:
    assert np.array_equal(decode_frame(saved(Image.fromarray(some_image()), kind)), some_image())


def test_colour_becomes_grey_by_bt601_luma() -> None:
    colour = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    luma = colour @ np.array([0.299, 0.587, 0.114])
    assert np.abs(decode_frame(saved(Image.fromarray(colour))) - luma).max() <= 0.5 + 1e-3


def test_grey_saved_as_colour_stays_exactly_grey() -> None:
    colour = np.repeat(some_image()[..., None], 3, axis=2)
    assert np.array_equal(decode_frame(saved(Image.fromarray(colour))), some_image())


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_exif_orientation_is_baked_in(orientation: int, kind: str) -> None:
    corner = np.zeros((40, 60), dtype=np.uint8)
    corner[:16, :16] = 255  # as stored: top left
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    seen = decode_frame(saved(Image.fromarray(corner), kind, exif=exif))
    turned = {
        1: corner,
        2: np.fliplr(corner),
        3: np.rot90(corner, 2),
        4: np.flipud(corner),
        5: corner.T,
        6: np.rot90(corner, -1),
        7: np.rot90(corner, 2).T,
        8: np.rot90(corner, 1),
    }[orientation]
    assert seen.shape == turned.shape
    assert np.array_equal(seen > 127, turned > 127)


def test_transparency_is_laid_on_black() -> None:
    image = np.full((10, 10, 4), 255, dtype=np.uint8)
    image[:, :5, 3] = 0
    image[:, 5:7, 3] = 128
    row = decode_frame(saved(Image.fromarray(image)))[0]
    assert row.tolist() == [0] * 5 + [128] * 2 + [255] * 3


def test_grey_with_alpha_is_laid_on_black() -> None:
    image = Image.merge("LA", [Image.new("L", (9, 9), 200), Image.new("L", (9, 9), 0)])
    assert not decode_frame(saved(image)).any()


def test_a_transparent_palette_colour_becomes_black() -> None:
    image = Image.fromarray(np.eye(9, dtype=np.uint8)).convert("P")
    image.putpalette([200, 200, 200, 50, 50, 50])
    seen = decode_frame(saved(image, transparency=0))
    assert np.array_equal(seen, np.eye(9) * 50)


@pytest.mark.parametrize("kind", ["PNG", "GIF", "BMP"])
def test_palette_indices_become_the_greys_they_stand_for(kind: str) -> None:
    indices = np.tile(np.arange(3, dtype=np.uint8), (9, 3))
    image = Image.fromarray(indices).convert("P")
    image.putpalette([10, 10, 10, 90, 90, 90, 250, 250, 250])
    assert np.array_equal(decode_frame(saved(image, kind)), np.array([10, 90, 250])[indices])


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "L"])
def test_a_picture_of_many_bands_becomes_what_each_of_its_parts_becomes(mode: str) -> None:
    """Upright and turned; the last band is a rest, and in parts each band is one of its own."""
    wide = np.random.default_rng(1).integers(0, 256, (470, 5300, 4), np.uint8)
    image = Image.fromarray(wide).convert(mode)
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    upright, turned = (decode_frame(saved(image, "PNG", exif=given)) for given in (Image.Exif(), exif))
    assert image.width * image.height > 2 * BAND_PIXELS
    parts = [decode_frame(saved(image.crop((0, top, 5300, top + 47)), "PNG")) for top in range(0, 470, 47)]
    assert np.array_equal(upright, np.concatenate(parts))
    assert np.array_equal(turned, np.rot90(upright, -1))


def test_black_and_white_images_become_0_and_255() -> None:
    assert set(np.unique(decode_frame(saved(Image.fromarray(some_image() > 99))))) == {0, 255}


def test_an_empty_file_is_refused() -> None:
    assert "empty file (0 bytes)" in refusal(b"")


@pytest.mark.parametrize("data", [b"hello, this is a letter", b"%PDF-1.7 ...", b"\0" * 4096, b"{}"])
def test_what_is_no_image_is_refused(data: bytes) -> None:
    assert "no image" in refusal(data)


@pytest.mark.parametrize("kind", FORMATS)
def test_an_image_cut_in_half_is_refused(kind: str) -> None:
    data = saved(Image.fromarray(some_image()), kind)
    assert "damaged" in refusal(data[: len(data) // 2])


@pytest.mark.parametrize("kind", FORMATS)
def test_an_image_cut_anywhere_is_refused_or_whole(kind: str) -> None:
    data = saved(Image.fromarray(some_image()), kind)
    whole = decode_frame(data)
    for length in range(0, len(data), 7):
        try:
            assert np.array_equal(decode_frame(data[:length]), whole)
        except BadFrame:
            continue


def test_a_png_with_an_altered_byte_of_pixels_is_refused() -> None:
    data = bytearray(saved(Image.fromarray(some_image())))
    data[len(data) // 2] ^= 0x10
    assert "damaged" in refusal(bytes(data))


@given(kind=st.sampled_from(FORMATS), place=st.floats(0, 1), value=st.integers(0, 255))
def test_altered_bytes_never_raise_anything_but_bad_frame(kind: str, place: float, value: int) -> None:
    data = bytearray(saved(Image.fromarray(some_image()), kind))
    data[int(place * (len(data) - 1))] = value
    with suppress(BadFrame):
        assert decode_frame(bytes(data)).dtype == np.uint8


@pytest.mark.parametrize("extension", [".png", ".tiff", ".ppm"])
@pytest.mark.parametrize("channels", [1, 3])
def test_16_bit_samples_are_refused_not_guessed(extension: str, channels: int) -> None:
    shape = (20, 30) if channels == 1 else (20, 30, 3)
    image = np.random.default_rng(0).integers(0, 4096, shape, dtype=np.uint16)
    name = ".pgm" if (extension, channels) == (".ppm", 1) else extension
    done, data = cv2.imencode(name, image)
    assert done
    message = refusal(data.tobytes())
    assert "more than 8 bits" in message
    assert "window" in message


@pytest.mark.parametrize("mode", ["I", "F"])
def test_32_bit_samples_are_refused(mode: str) -> None:
    assert "more than 8 bits" in refusal(saved(Image.new(mode, (20, 20)), "TIFF"))


def test_a_bmp_of_16_bits_a_pixel_is_no_16_bit_image() -> None:
    header = struct.pack("<IiiHHIIiiII", 40, 8, 8, 1, 16, 0, 128, 0, 0, 0, 0)
    data = b"BM" + struct.pack("<IHHI", 54 + 128, 0, 0, 54) + header + b"\xff\x7f" * 64
    assert (decode_frame(data) == 255).all()


def png_that_claims(width: int, height: int) -> bytes:
    """A tiny, valid PNG head that promises many pixels."""
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    idat = b"IDAT" + zlib.compress(bytes(1000))
    packed = (
        struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in (chunk, idat, b"IEND")
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


@pytest.mark.parametrize("side", [7_000, 12_000, 60_000])
def test_a_decompression_bomb_is_refused_by_its_header(side: int) -> None:
    assert side * side > MAX_PIXELS
    assert "at most 40 Mpx" in refusal(png_that_claims(side, side))


def test_an_image_too_small_to_show_anything_is_refused() -> None:
    assert "7 x 20 px" in refusal(saved(Image.new("L", (7, 20))))


def test_a_file_of_several_pictures_is_refused() -> None:
    pictures = [Image.new("L", (20, 20), shade) for shade in (10, 20, 30)]
    data = saved(pictures[0], "TIFF", save_all=True, append_images=pictures[1:])
    assert "several pictures" in refusal(data)


def test_png_bytes_are_the_same_for_the_same_pixels_and_hold_no_metadata() -> None:
    exif = Image.Exif()
    exif[0x010E] = "Jane Doe 1970-01-01"
    named = decode_frame(saved(Image.fromarray(some_image()), "PNG", exif=exif, dpi=(72, 72)))
    assert encode_png(named) == encode_png(some_image())
    kinds = [encode_png(named)[start + 4 : start + 8] for start in chunk_starts(encode_png(named))]
    assert set(kinds) == {b"IHDR", b"IDAT", b"IEND"}


def chunk_starts(png: bytes) -> list[int]:
    starts = [8]
    while starts[-1] + 12 + int.from_bytes(png[starts[-1] : starts[-1] + 4], "big") < len(png):
        starts.append(starts[-1] + 12 + int.from_bytes(png[starts[-1] : starts[-1] + 4], "big"))
    return starts
