"""Headers of every answer: nothing that strangers uploaded may run in a browser, any web client may read it."""

from __future__ import annotations

from aiohttp import web

#: XEP-0363 §9.1, and what scanners of browsers' safety ask for besides.
SAFE = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "cross-origin",
}
#: XEP-0363 §8. Without credentials: the URL is all that it takes.
CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "OPTIONS, HEAD, GET, PUT",
    "Access-Control-Allow-Headers": "Content-Type, Range, If-Range, If-None-Match",
    "Access-Control-Expose-Headers": "Accept-Ranges, Content-Disposition, Content-Length, Content-Range, ETag",
    "Access-Control-Max-Age": "7200",
}


async def harden(_request: web.Request, response: web.StreamResponse) -> None:
    """Add them; for `on_response_prepare`, so that errors have them too."""
    response.headers.update(SAFE)
    response.headers.update(CORS)
    response.headers["Server"] = "xmpp-files"


def answer(status: int, text: str = "", headers: dict[str, str] | None = None) -> web.Response:
    """Return an answer in words, for people who look at the network."""
    return web.Response(status=status, text=f"{text}\n" if text else None, headers=headers)


def refuse(status: int, text: str, headers: dict[str, str] | None = None) -> web.Response:
    """Return an answer to a request whose body is not read: the connection cannot be used again."""
    response = answer(status, text, headers)
    response.force_close()
    return response
