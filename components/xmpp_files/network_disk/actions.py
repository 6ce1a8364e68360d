"""What forms of the pages do: each checks that it is ours, changes one thing, and leads to a page."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from components.xmpp_files.network_disk import fields as form
from components.xmpp_files.network_disk.addresses import bare_jid
from components.xmpp_files.network_disk.disk import Disk
from components.xmpp_files.network_disk.errors import DiskError, Reason
from components.xmpp_files.network_disk.fields import Fields, number, one
from components.xmpp_files.network_disk.links import Links
from components.xmpp_files.network_disk.pages import Pages
from components.xmpp_files.network_disk.receive import Receiver
from components.xmpp_files.network_disk.schema import TOP
from components.xmpp_files.network_disk.sessions import Session
from components.xmpp_files.network_disk.sharing import Sharing
from components.xmpp_files.network_disk.visits import Answered, Visits, page, see_other

_HOUR_S = 3600
Act = Callable[[Session, Fields, int], Awaitable[Answered]]


@dataclass(frozen=True, slots=True)
class Actions:
    """Handles POST."""

    disk: Disk
    sharing: Sharing
    visits: Visits
    receiver: Receiver

    @property
    def links(self) -> Links:
        """The addresses of the pages, on the host that browsers see."""
        return Links.of(self.disk.url())

    async def put(self, request: web.Request) -> web.StreamResponse:
        """Take files."""
        self.visits.check_origin(request)
        session = await self.visits.session(request)
        store, folder = await self.receiver.receive(request, session)
        return see_other(self.links.folder(store, folder))

    async def act(self, request: web.Request) -> web.StreamResponse:
        """Do what a form says."""
        self.visits.check_origin(request)
        session = await self.visits.session(request)
        fields = await form.read(request, self.receiver.intake.settings.idle_timeout_s)
        if not session.is_own(one(fields, "csrf")):
            raise DiskError(Reason.FORBIDDEN, "This form is not from this page: open it again")
        acts: dict[str, Act] = {
            "make-folder": self._make_folder,
            "rename": self._rename,
            "move": self._move,
            "delete": self._delete,
            "uploads": self._uploads,
            "share": self._share,
            "revoke": self._revoke,
            "log-out": self._log_out,
        }
        act = acts.get(request.match_info["action"])
        if act is None:
            raise DiskError(Reason.MISSING, "There is no such page")
        return await act(session, fields, int(time.time()))

    async def log_in(self, request: web.Request) -> web.StreamResponse:
        """Use a link."""
        self.visits.check_origin(request)
        response = see_other(self.links.page(""))
        await self.visits.log_in(request.match_info["secret"], response)
        return response

    async def _make_folder(self, session: Session, fields: Fields, now: int) -> Answered:
        store, parent = one(fields, "store"), number(one(fields, "folder"))
        await self.disk.make_folder(session.jid, store, parent, one(fields, "name"), now)
        return see_other(self.links.folder(store, parent))

    async def _rename(self, session: Session, fields: Fields, now: int) -> Answered:
        entry = await self.disk.entry(session.jid, number(one(fields, "entry")))
        await self.disk.move(session.jid, entry.id, entry.parent, one(fields, "name"), now)
        return see_other(self.links.page(f"entry/{entry.id}"))

    async def _move(self, session: Session, fields: Fields, now: int) -> Answered:
        """Move entries of a store, or uploads, to a folder by its path."""
        store = one(fields, "store")
        target = await self.disk.resolve(session.jid, store, one(fields, "to"))
        if target is not None and not target.is_folder:
            raise DiskError(Reason.MISSING, "There is no such folder")
        to = TOP if target is None else target.id
        for item in fields.get("items", ()):
            if item.startswith("u"):
                await self.disk.keep(session.jid, item[1:], to, now)
            else:
                await self.disk.move(session.jid, number(item[1:]), to, "", now)
        return see_other(self.links.folder(store, to))

    async def _delete(self, session: Session, fields: Fields, now: int) -> Answered:
        for item in fields.get("items", ()):
            if item.startswith("u"):
                await self.disk.remove_upload(session.jid, item[1:], now)
            else:
                await self.disk.remove(session.jid, number(item[1:]), now)
        return see_other(self.links.folder(one(fields, "store"), number(one(fields, "folder"))))

    async def _uploads(self, session: Session, fields: Fields, now: int) -> Answered:
        """Keep or delete uploads: one form with two buttons."""
        act = self._move if one(fields, "do") == "move" else self._delete
        await act(session, {**fields, "store": [session.jid]}, now)
        return see_other(self.links.page("uploads"))

    async def _share(self, session: Session, fields: Fields, now: int) -> Answered:
        keep_s = number(one(fields, "hours")) * _HOUR_S
        recipient = bare_jid(one(fields, "with"))
        shared = await self.sharing.share(session.jid, number(one(fields, "entry")), recipient, now, keep_s)
        return page(Pages(self.links, session).shared(shared.share, shared.url, is_told=shared.is_told))

    async def _revoke(self, session: Session, fields: Fields, now: int) -> Answered:
        await self.disk.revoke(session.jid, one(fields, "token"), now)
        return see_other(self.links.page("shares", store=one(fields, "store") or None))

    async def _log_out(self, session: Session, _fields: Fields, _now: int) -> Answered:
        response = page(Pages(self.links).message("Files", "You are logged out."))
        await self.visits.log_out(session, response)
        return response
