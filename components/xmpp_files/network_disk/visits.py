"""A browser's visit: whose it is, and whether what it sends comes from a page of ours."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from aiohttp import web

from components.xmpp_files.headers import CORS
from components.xmpp_files.index import Index
from components.xmpp_files.network_disk import sessions
from components.xmpp_files.network_disk.errors import DiskError, Reason
from components.xmpp_files.network_disk.sessions import Session

#: Scripts and styles are our two files; nothing else runs, is loaded, or frames us.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


class LoginNeededError(Exception):
    """There is no session, or no longer."""


@dataclass(frozen=True, slots=True)
class Visits:
    """Sessions by cookie.

    Args:
        index: Where they are.
        session_s: How long they last.
        url: The public address of the HTTP server.

    """

    index: Index
    session_s: int
    url: Callable[[], str]

    async def session(self, request: web.Request) -> Session:
        """Return whose visit it is.

        Raises:
            LoginNeededError: Nobody's.

        """
        secret, now = request.cookies.get(self._cookie, ""), int(time.time())
        found = await self.index.read(lambda database: sessions.session(database, secret, now)) if secret else None
        if found is None:
            raise LoginNeededError
        return found

    def check_origin(self, request: web.Request) -> None:
        """Let only our own pages send forms; browsers tell where a form comes from, other programs need not.

        Raises:
            DiskError: It comes from elsewhere.

        """
        site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
        parts = urlsplit(self.url())
        if site not in (None, "same-origin") or origin not in (None, f"{parts.scheme}://{parts.netloc}"):
            raise DiskError(Reason.FORBIDDEN, "This does not come from a page of these files")

    async def log_in(self, secret: str, response: web.Response) -> Session:
        """Use a link, and give the browser its cookie.

        Raises:
            DiskError: The link is forged, used, or too old.

        """
        now = int(time.time())
        session = await self.index.change(lambda database: sessions.log_in(database, secret, now, now + self.session_s))
        response.set_cookie(
            self._cookie,
            session.secret,
            max_age=self.session_s,
            path="/",
            secure=self._is_https,
            httponly=True,
            samesite="Strict",
        )
        return session

    async def log_out(self, session: Session, response: web.Response) -> None:
        """End a session."""
        await self.index.change(lambda database: sessions.log_out(database, session.secret))
        response.del_cookie(self._cookie, path="/", secure=self._is_https, httponly=True, samesite="Strict")

    @property
    def _is_https(self) -> bool:
        return urlsplit(self.url()).scheme == "https"

    @property
    def _cookie(self) -> str:
        # The prefix keeps other hosts of the domain from setting it; browsers take it over TLS only.
        return "__Host-disk" if self._is_https else "disk"


async def seclude(_request: web.Request, response: web.StreamResponse) -> None:
    """Take back what lets other sites read answers; `harden` gives it to public files."""
    for name in CORS:
        response.headers.pop(name, None)
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    if "ETag" in response.headers:  # asked for anew each time: a share that was ended ends now
        response.headers["Cache-Control"] = "private, no-cache"
    if isinstance(response, Answered):
        response.headers["Content-Security-Policy"] = POLICY
        # With "no-referrer" browsers would not say where our own forms come from.
        response.headers["Referrer-Policy"] = "same-origin"
        response.headers["Cache-Control"] = "no-store" if response.is_private else "max-age=3600"


class Answered(web.Response):
    """An answer of our own making, not somebody's file; `is_private` if it is for this browser only."""

    is_private = True


class Static(Answered):
    """A file of this package."""

    is_private = False


def page(body: bytes, status: int = 200) -> Answered:
    """Return a page."""
    return Answered(body=body, status=status, content_type="text/html", charset="utf-8")


def see_other(address: str) -> Answered:
    """Lead the browser to a page after it has sent a form."""
    return Answered(status=303, headers={"Location": address})
