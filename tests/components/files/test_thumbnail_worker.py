"""The process that makes one thumbnail: what it makes, what it refuses, what it can no longer do."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from PIL import Image

from components.xmpp_files import thumbnail_worker
from components.xmpp_files.thumbnail_worker import FORMATS, shrunk

WORKER = Path(thumbnail_worker.__file__)
MEMORY = 512 << 20


def image(
    form: str, size: tuple[int, int] = (600, 300), mode: str = "RGB", color: str = "red", **save: object
) -> bytes:
    file = io.BytesIO()
    Image.new(mode, size, color).save(file, form, **save)
    return file.getvalue()


def worked(data: bytes, *, side: int = 100, pixels: int = 1_000_000, memory: int = MEMORY) -> tuple[int, bytes]:
    words = [sys.executable, "-I", str(WORKER), str(side), str(pixels), str(memory), "10"]
    done = subprocess.run(words, input=data, stdout=subprocess.PIPE, timeout=30, check=False)
    return done.returncode, done.stdout


@pytest.mark.parametrize("form", FORMATS)
def test_images_become_small(form: str) -> None:
    code, small = worked(image(form))
    assert code == 0
    with Image.open(io.BytesIO(small)) as made:
        assert (made.format, made.size) == ("JPEG", (100, 50))
        red, green, blue = made.convert("RGB").getpixel((50, 25))
    assert red > 250
    assert max(green, blue) < 5


def test_what_is_transparent_stays_so() -> None:
    small = shrunk(image("PNG", mode="RGBA", color="#ff000080"), 100)
    with Image.open(io.BytesIO(small)) as made:
        assert (made.format, made.mode, made.size) == ("PNG", "RGBA", (100, 50))
        assert made.getpixel((5, 5)) == (255, 0, 0, 128)


def test_small_images_are_not_made_larger() -> None:
    with Image.open(io.BytesIO(shrunk(image("PNG", (7, 5)), 100))) as made:
        assert made.size == (7, 5)


def test_nothing_but_pixels_is_left() -> None:
    """Where a picture was taken is nobody's business; how it was held is seen to before that is dropped."""
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    exif[0x010E] = "at Juliet's balcony"
    for form, mode in (("JPEG", "RGB"), ("PNG", "RGBA")):
        data = image(form, mode=mode, exif=exif, icc_profile=b"balcony" * 99)
        assert b"balcony" in data
        small = shrunk(data, 100)
        assert b"balcony" not in small
        with Image.open(io.BytesIO(small)) as made:
            assert made.size == (50, 100)
            assert not made.getexif()
            assert not {"exif", "icc_profile", "comment"} & set(made.info)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no image",
        image("JPEG")[:200],
        image("PNG")[:60],
        image("TIFF"),
        image("BMP"),
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        image("PNG", (1001, 1000)),
        image("GIF", (1001, 1000)),
    ],
    ids=["empty", "text", "half JPEG", "half PNG", "TIFF", "BMP", "SVG", "pixels PNG", "pixels GIF"],
)
def test_there_is_no_thumbnail_of_this(data: bytes) -> None:
    assert worked(data) == (1, b"")


def test_a_bomb_is_not_lit() -> None:
    """A PNG of a hundred kilobytes that says, and is, ten thousand million pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    bomb = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(10**8)))
        + chunk(b"IEND", b"")
    )
    assert worked(bomb, pixels=50_000_000) == (1, b"")
    assert worked(bomb, pixels=10**11) == (1, b"")  # the memory is bounded, too


def test_it_can_open_nothing_by_then() -> None:
    text = f"""
import os, socket, sys
sys.path.insert(0, {str(WORKER.parent)!r})
import thumbnail_worker
thumbnail_worker._warm_up()
thumbnail_worker._shut_in({MEMORY}, 5)
for attempt in (lambda: open("/etc/passwd"), lambda: socket.socket(), lambda: os.pipe()):
    try:
        attempt()
    except OSError:
        continue
    sys.exit("it could")
"""
    done = subprocess.run([sys.executable, "-I", "-c", text], check=False)
    assert done.returncode == 0
