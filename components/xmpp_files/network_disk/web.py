"""The network disk over HTTP: routes, pages to look at, and the answers to what goes wrong."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from dataclasses import replace as with_changes
from importlib.resources import files

import structlog
from aiohttp import web

from components.xmpp_files.download import Downloads
from components.xmpp_files.intake import RefusedError
from components.xmpp_files.network_disk import sessions
from components.xmpp_files.network_disk.actions import Actions
from components.xmpp_files.network_disk.addresses import bare_jid
from components.xmpp_files.network_disk.errors import DiskError, Reason
from components.xmpp_files.network_disk.fields import number
from components.xmpp_files.network_disk.pages import Pages
from components.xmpp_files.network_disk.tree import Entry
from components.xmpp_files.network_disk.visits import Answered, LoginNeededError, Static, page, seclude
from components.xmpp_files.storage import FullError, StorageError
from components.xmpp_files.upload import leave_waiting

log = structlog.get_logger(__name__)

_STATUS = {Reason.BAD: 400, Reason.MISSING: 404, Reason.FORBIDDEN: 403, Reason.TAKEN: 409, Reason.FULL: 507}
_STATIC = {"disk.css": "text/css", "disk.js": "text/javascript"}

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Website:
    """Handles GET; `own_domain` is named where somebody must ask it for a link."""

    actions: Actions
    downloads: Downloads
    own_domain: str

    def application(self) -> web.Application:
        """Return what serves it, to stand under its prefix."""
        application = web.Application(middlewares=[self._explain])
        application.on_response_prepare.append(seclude)
        routes = {
            "/": self._folder,
            "/entry/{entry:[0-9]{1,15}}": self._entry,
            "/get/{entry:[0-9]{1,15}}/{name:[^/]+}": self._content,
            "/uploads": self._uploads,
            "/shares": self._shares,
            "/shared": self._shared_with_me,
            "/s/{token:[A-Za-z0-9_-]{8,64}}/{name:[^/]+}": self._share,
            "/login/{secret:[A-Za-z0-9_-]{8,64}}": self._login,
            "/static/{name}": _static,
        }
        for path, handler in routes.items():
            application.router.add_get(path, handler)
        # A form with files is the larger: it is told to go on when it is known whose it is.
        application.router.add_post("/do/put", self.actions.put, expect_handler=leave_waiting)
        application.router.add_post("/do/{action:[a-z-]+}", self.actions.act)
        application.router.add_post("/login/{secret:[A-Za-z0-9_-]{8,64}}", self.actions.log_in)
        return application

    async def _folder(self, request: web.Request) -> web.StreamResponse:
        session = await self.actions.visits.session(request)
        disk, now = self.actions.disk, int(time.time())
        pages, store = Pages(self.actions.links, session), bare_jid(request.query.get("store", "")) or session.jid
        if store == session.jid and not disk.stores.has_own(store):
            return page(pages.message("Files", "You have no files of your own here: open those of a room"))
        folder = await disk.folder(session.jid, store, number(request.query.get("folder")), request.query.get("after"))
        usage = await disk.usage(session.jid, store, now)
        return page(pages.folder(folder, usage, disk.limits, disk.upload.max_file_bytes))

    async def _entry(self, request: web.Request) -> web.StreamResponse:
        session = await self.actions.visits.session(request)
        disk, now = self.actions.disk, int(time.time())
        entry = await disk.entry(session.jid, int(request.match_info["entry"]))
        path, shares = await disk.details(entry, now)
        here = "/" + "/".join(one.name for one in path[:-1])
        return page(Pages(self.actions.links, session).entry(entry, path, shares, here))

    async def _content(self, request: web.Request) -> web.StreamResponse:
        session = await self.actions.visits.session(request)
        entry = await self.actions.disk.entry(session.jid, int(request.match_info["entry"]))
        return await self._send(request, entry)

    async def _uploads(self, request: web.Request) -> web.StreamResponse:
        session = await self.actions.visits.session(request)
        uploads = await self.actions.disk.uploads(session.jid, int(time.time()), request.query.get("after"))
        return page(Pages(self.actions.links, session).uploads(uploads))

    async def _shares(self, request: web.Request) -> web.StreamResponse:
        session = await self.actions.visits.session(request)
        store, after = bare_jid(request.query.get("store", "")) or session.jid, request.query.get("after", "")
        shares = await self.actions.disk.shares(session.jid, store, int(time.time()), after)
        more = self._more("shares", [share.token for share in shares], store)
        return page(Pages(self.actions.links, session).shares("Shares", shares, more, own=True))

    async def _shared_with_me(self, request: web.Request) -> web.StreamResponse:
        session = await self.actions.visits.session(request)
        shares = await self.actions.disk.shared_with(session.jid, int(time.time()), request.query.get("after", ""))
        more = self._more("shared", [share.token for share in shares])
        return page(Pages(self.actions.links, session).shares("Shared with me", shares, more, own=False))

    async def _share(self, request: web.Request) -> web.StreamResponse:
        """For whoever has the link: no session."""
        disk, token = self.actions.disk, request.match_info["token"]
        inside = number(request.query.get("entry")) or None
        share, found, below = await disk.opened(token, inside, request.query.get("after"), int(time.time()))
        if share.name != request.match_info["name"] and inside is None and not found.is_folder:
            raise DiskError(Reason.MISSING, "This link leads nowhere, or no longer")
        if not found.is_folder:
            return await self._send(request, found)
        return page(Pages(self.actions.links).shared_folder(share, found, below))

    async def _login(self, request: web.Request) -> web.StreamResponse:
        secret, now = request.match_info["secret"], int(time.time())
        jid = await self.actions.disk.index.read(lambda database: sessions.invited(database, secret, now))
        return page(Pages(self.actions.links).login(jid, secret))

    async def _send(self, request: web.Request, entry: Entry) -> web.StreamResponse:
        file = None if entry.file is None else await self.actions.disk.index.get(entry.file)
        if file is None:
            raise DiskError(Reason.MISSING, "There is no such file")
        return await self.downloads.send(request, with_changes(file, name=entry.name))

    def _more(self, path: str, tokens: list[str], store: str | None = None) -> str | None:
        if len(tokens) < self.actions.disk.settings.page_entries:
            return None
        return self.actions.links.page(path, store=store, after=tokens[-1])

    # What goes wrong.

    @web.middleware
    async def _explain(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except LoginNeededError:
            text = (
                f"Ask {self.own_domain} for a link: your client has it in its commands, as “Files: open in a browser”."
            )
            return self._refusal(403, text)
        except DiskError as error:
            return self._refusal(_STATUS[error.reason], error.text)
        except RefusedError as error:
            return self._refusal(error.status, error.text, error.headers)
        except FullError:
            log.error("store-full")
            return self._refusal(507, "The store is full")
        except StorageError as error:
            log.error("store-failed", reason=str(error))
            return self._refusal(503, "The store failed", {"Retry-After": "30"})

    def _refusal(self, status: int, text: str, headers: dict[str, str] | None = None) -> Answered:
        response = page(Pages(self.actions.links).message("Files", text), status)
        response.headers.update(headers or {})
        response.force_close()  # a body may be left unread
        return response


async def _static(request: web.Request) -> web.StreamResponse:
    name = request.match_info["name"]
    if name not in _STATIC:
        raise DiskError(Reason.MISSING, "There is no such page")
    body = await asyncio.to_thread((files(__package__) / "static" / name).read_bytes)
    return Static(body=body, content_type=_STATIC[name], charset="utf-8")
