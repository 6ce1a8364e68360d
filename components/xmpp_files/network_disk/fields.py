"""Fields of forms and queries that a browser sends."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from urllib.parse import parse_qs

from aiohttp import web

from components.xmpp_files.intake import RefusedError
from components.xmpp_files.network_disk.errors import DiskError, Reason

_MAX_BYTES = 65_536
_MAX_FIELDS = 1000

Fields = Mapping[str, list[str]]


async def read(request: web.Request, timeout_s: float) -> Fields:
    """Read a form without files.

    Raises:
        RefusedError: It is too large, too slow, or no such form.

    """
    if request.content_type != "application/x-www-form-urlencoded":
        raise RefusedError(415, "This is no form")
    if request.content_length is None or request.content_length > _MAX_BYTES:
        raise RefusedError(413, "The form is too large")
    try:
        async with asyncio.timeout(timeout_s):
            body = await request.content.readexactly(request.content_length)
        return parse_qs(body.decode("utf-8"), keep_blank_values=True, max_num_fields=_MAX_FIELDS)
    except TimeoutError:
        raise RefusedError(408, "The form is too slow") from None
    except (ConnectionError, asyncio.IncompleteReadError, web.RequestPayloadError, ValueError):
        raise RefusedError(400, "The form is damaged") from None


def one(fields: Mapping[str, list[str]], name: str, default: str = "") -> str:
    """Return a field's first value."""
    return next(iter(fields.get(name, ())), default).strip()


def number(text: str | None, default: int = 0) -> int:
    """Return a number of a form; none is the default.

    Raises:
        DiskError: It is none.

    """
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise DiskError(Reason.BAD, f"{text[:20]!r} is no number")
    return int(text)
