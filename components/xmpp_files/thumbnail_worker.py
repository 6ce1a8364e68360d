"""A program of its own: an image on standard input, a small one on standard output, JPEG or PNG.

Decoders of images have had their holes. This process lives for one image, with little memory and time, and when it
looks at what a stranger has sent it can open no file and no socket any more. It imports nothing of ours.

Usage: thumbnail_worker.py SIDE MAX_PIXELS MEMORY_BYTES CPU_S.  Exit codes: 0 done, 1 there is no thumbnail of this.
"""

from __future__ import annotations

import io
import resource
import sys
import warnings

from PIL import Image, ImageOps, UnidentifiedImageError

FORMATS = ("JPEG", "PNG", "GIF", "WEBP")
_QUALITY = 80


def shrunk(data: bytes, side: int) -> bytes:
    """Return an image that fits into a square of `side` pixels: nothing of the original but its pixels.

    Raises:
        OSError, SyntaxError, ValueError, MemoryError: It is none, is damaged, or is too large.
        Image.DecompressionBombError, Image.DecompressionBombWarning: It has too many pixels.

    """
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        image.draft("RGB", (side * 2, side * 2))  # JPEG is decoded small; nothing happens for the others
        image.thumbnail((side * 2, side * 2), Image.Resampling.BOX, reducing_gap=None)
        upright = ImageOps.exif_transpose(image)
        has_alpha = "A" in upright.getbands() or "transparency" in upright.info
        clean = upright.convert("RGBA" if has_alpha else "RGB")
    clean.thumbnail((side, side), Image.Resampling.LANCZOS)
    clean.info.clear()  # EXIF, comments, colour profiles
    small = io.BytesIO()
    if has_alpha:
        clean.save(small, "PNG")
    else:
        clean.save(small, "JPEG", quality=_QUALITY, exif=b"")
    return small.getvalue()


def _warm_up() -> None:
    """Have everything imported that decoding and encoding import on their way."""
    for mode in ("RGB", "RGBA", "P"):
        for form in FORMATS:
            tiny = io.BytesIO()
            Image.new("RGB" if form == "JPEG" else mode, (3, 3)).save(tiny, form)
            shrunk(tiny.getvalue(), 2)


def _shut_in(memory_bytes: int, cpu_s: int) -> None:
    for limit, value in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, 0),
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_CPU, cpu_s),
    ):
        resource.setrlimit(limit, (value, value))


def main() -> int:
    """Run; see above."""
    side, max_pixels, memory_bytes, cpu_s = map(int, sys.argv[1:])
    Image.MAX_IMAGE_PIXELS = max_pixels
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    _warm_up()
    _shut_in(memory_bytes, cpu_s)
    try:
        small = shrunk(sys.stdin.buffer.read(), side)
    except (
        UnidentifiedImageError,
        Image.DecompressionBombError,
        Image.DecompressionBombWarning,
        OSError,
        SyntaxError,  # Pillow raises it for broken PNG
        ValueError,
        MemoryError,
    ):
        return 1
    sys.stdout.buffer.write(small)
    sys.stdout.buffer.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
