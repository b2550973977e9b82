"""Small files that claim, or unpack to, far more than they are."""

from __future__ import annotations

import io
import struct
import zlib
from functools import cache

from PIL import Image

GIB = 1 << 30


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, pixels: bytes, extra: bytes = b"") -> bytes:
    """8-bit grey, of compressed `pixels`, with `extra` chunks before them."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + extra + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


@cache
def packed_zeros(size: int = GIB) -> bytes:
    """A gibibyte of nothing in a megabyte."""
    packer, block = zlib.compressobj(9), bytes(1 << 20)
    return b"".join(packer.compress(block) for _ in range(size >> 20)) + packer.flush()


def gif(screen: int, frame: int) -> bytes:
    """A GIF whose screen and only picture have these sides, with four pixels in it."""
    head = b"GIF89a" + struct.pack("<HH", screen, screen) + b"\x80\0\0" + b"\0\0\0\xff\xff\xff"
    return head + b"\x2c" + struct.pack("<HHHH", 0, 0, frame, frame) + b"\0\x02\x02\x44\x01\0;"


def tiff(side: int, next_page: int = 0, more: tuple[tuple[int, int, int, int], ...] = ()) -> bytes:
    """Uncompressed 8-bit grey TIFF of 400 pixels that claims `side` x `side`."""
    tags = [(256, 4, 1, side), (257, 4, 1, side), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1)]
    tags += [(273, 4, 1, 200), (277, 3, 1, 1), (278, 4, 1, side), (279, 4, 1, 400), *more]
    body = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + body + struct.pack("<I", next_page) + bytes(600)


def film(kind: str, pictures: int = 50) -> bytes:
    """An animated or many-paged file of different pictures."""
    drawn = [Image.new("L", (20, 20), 5 * number) for number in range(pictures)]
    buffer = io.BytesIO()
    drawn[0].save(buffer, kind, save_all=True, append_images=drawn[1:])
    return buffer.getvalue()


SMALL = zlib.compress(bytes(101 * 100))
JPEG_HEAD = b"\xff\xd8\xff\xc0\x00\x0b\x08\xff\xff\xff\xff\x01\x01\x11\x00"
JPEG_SCAN = b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00\xff\xd9"
BMP_HEAD = struct.pack("<IiiHHIIiiII", 40, 2**31 - 1, -(2**31), 1, 8, 0, 0, 0, 0, 0, 0)


def bombs() -> dict[str, bytes]:
    """By what they do; each must be refused, quickly and in little memory."""
    zeros = packed_zeros()
    return {
        "PNG of 60,000 x 60,000": png(60_000, 60_000, SMALL),
        "PNG with a comment of 1 GiB": png(100, 100, SMALL, chunk(b"zTXt", b"Comment\0\0" + zeros)),
        "PNG with a text of 1 GiB": png(100, 100, SMALL, chunk(b"iTXt", b"Comment\0\1\0\0\0" + zeros)),
        "PNG with a colour profile of 1 GiB": png(100, 100, SMALL, chunk(b"iCCP", b"icc\0\0" + zeros)),
        "JPEG of 65,535 x 65,535": JPEG_HEAD + JPEG_SCAN,
        "TIFF of 100,000 x 100,000": tiff(100_000),
        "GIF with a screen of 65,535 x 65,535": gif(65_535, 10),
        "GIF with a picture of 65,535 x 65,535": gif(10, 65_535),
        "BMP of 2 x 10^9 rows": b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + BMP_HEAD,
        "PGM of 10^23 pixels": b"P5 999999999999 99999999999 255\n",
        "PGM whose width has a million digits": b"P5 " + b"9" * 1_000_000 + b" 2 255\n",
    }
