"""The pages, from what they show to HTML. They work without scripts; `static/disk.js` only adds comfort."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from components.xmpp_files.network_disk import names, wording
from components.xmpp_files.network_disk.disk import Folder
from components.xmpp_files.network_disk.html import Node, document, tag
from components.xmpp_files.network_disk.links import Links
from components.xmpp_files.network_disk.sessions import Session
from components.xmpp_files.network_disk.shares import Share
from components.xmpp_files.network_disk.tree import Entry, Page
from components.xmpp_files.network_disk.uploads import Page as UploadPage
from components.xmpp_files.quota import Limits, Usage


@dataclass(frozen=True, slots=True)
class Pages:
    """The pages of one browser; without a session only those that need none."""

    links: Links
    session: Session | None = None

    def folder(self, folder: Folder, usage: Usage, limits: Limits, max_file_bytes: int) -> bytes:
        """Show a folder, what can be done in it, and the space."""
        rows = [self._entry_row(entry) for entry in folder.page.entries]
        if folder.is_first and not folder.path and folder.store == self._jid:
            uploads = tag("a", names.UPLOADS, href=self.links.page("uploads"), class_="folder")
            rows.insert(0, tag("tr", tag("td"), tag("td", uploads), tag("td"), tag("td"), tag("td")))
        place = [_hidden("store", folder.store), _hidden("folder", str(folder.id))]
        title = folder.path[-1].name if folder.path else folder.store
        return self._document(
            title,
            self._crumbs(folder.store, folder.path),
            tag("p", tag("a", "What is shared", href=self.links.page("shares", store=folder.store))),
            self._form("delete", *place, self._table(rows), _button("Delete what is chosen", confirm="Delete it?")),
            self._next(self.links.folder(folder.store, folder.id, folder.page.after), folder.page),
            self._put(place, max_file_bytes),
            self._form("make-folder", *place, _labelled("New folder", "name", required=True), _button("Make it")),
            tag(
                "p",
                f"Space: {wording.used(usage.user_bytes, limits.user_bytes)}",
                tag("meter", value=str(usage.user_bytes), max=str(limits.user_bytes)) if limits.user_bytes else None,
                id="space",
            ),
        )

    def entry(self, entry: Entry, path: Sequence[Entry], shares: Sequence[Share], here: str) -> bytes:
        """Show one entry and what can be done with it; `here` is the path of its folder."""
        own = [_hidden("entry", str(entry.id)), _hidden("items", f"e{entry.id}"), _hidden("store", entry.store)]
        content = tag("a", "Open", href=self._href(entry))
        facts = "folder" if entry.is_folder else f"{wording.size(entry.size)}, {entry.content_type}"
        return self._document(
            entry.name,
            self._crumbs(entry.store, path),
            tag("p", content, f" ({facts}; put here by {entry.author}, {wording.moment(entry.changed)})"),
            self._form("rename", *own, _labelled("Name", "name", entry.name, required=True), _button("Rename")),
            self._form("move", *own, _labelled("Folder", "to", here, required=True), _button("Move")),
            self._form(
                "share",
                *own,
                _labelled("Share with (a contact or a room; nobody: only a link)", "with"),
                _labelled("For how many hours (empty: until you end it)", "hours", type="number"),
                _button("Share"),
            ),
            *[self._share_line(share) for share in shares],
            self._form("delete", *own, _hidden("folder", str(entry.parent)), _button("Delete", confirm="Delete it?")),
        )

    def uploads(self, page: UploadPage) -> bytes:
        """Show what was uploaded in chats."""
        rows = [
            tag(
                "tr",
                tag("td", _choice(f"u{upload.id}", upload.name)),
                tag("td", tag("a", upload.name, href=self.links.upload(upload.id, upload.name))),
                tag("td", wording.size(upload.size)),
                tag("td", wording.moment(upload.created)),
                tag("td", f"ends: {wording.moment(upload.expires)}"),
            )
            for upload in page.uploads
        ]
        after = None if page.after is None else self.links.page("uploads", after=page.after)
        return self._document(
            names.UPLOADS,
            tag("nav", tag("a", self._jid, href=self.links.page(""))),
            tag("p", "What you sent in chats. Moved to a folder it does not end, and its link goes on leading to it."),
            self._form(
                "uploads",
                self._table(rows),
                _labelled("Folder", "to", "/"),
                tag("button", "Keep in this folder", name="do", value="move"),
                tag("button", "Delete", name="do", value="delete", data_confirm="Delete it?"),
            ),
            None if after is None else tag("p", tag("a", "More", href=after, id="more")),
        )

    def shares(self, title: str, shares: Sequence[Share], after: str | None, *, own: bool) -> bytes:
        """Show shares: of one's own files, with a way to end them, or of others."""
        more = None if after is None else tag("p", tag("a", "More", href=after, id="more"))
        lines = [self._share_line(share, own=own) for share in shares] or [tag("p", "Nothing.")]
        return self._document(title, tag("nav", tag("a", self._jid, href=self.links.page(""))), *lines, more)

    def shared(self, share: Share, url: str, *, is_told: bool) -> bytes:
        """Show the link of a new share."""
        told = f"{share.recipient} was told." if is_told else "Nobody was told: send the link yourself."
        return self._document(
            f"{share.name} is shared",
            tag("p", told),
            tag("p", tag("a", url, href=url, id="link")),
            tag("p", tag("a", "Back", href=self.links.page(f"entry/{share.entry}"))),
        )

    def shared_folder(self, share: Share, found: Entry, page: Page) -> bytes:
        """Show a folder to whoever has the link of a share."""
        rows = [
            tag(
                "tr",
                tag("td", tag("a", entry.name, href=self.links.share(share.token, share.name, entry.id))),
                tag("td", "" if entry.is_folder else wording.size(entry.size)),
                tag("td", wording.moment(entry.changed)),
            )
            for entry in page.entries
        ]
        top = tag("a", share.name, href=self.links.share(share.token, share.name))
        more = self.links.share(share.token, share.name, found.id, page.after)
        return self._document(
            found.name, tag("p", "From ", share.author, ": ", top), self._table(rows), self._next(more, page)
        )

    def login(self, jid: str, secret: str) -> bytes:
        """Ask whether this browser is meant: programs that look at links by themselves use up none."""
        form = tag(
            "form", _button(f"Open the files of {jid}"), method="post", action=self.links.page(f"login/{secret}")
        )
        return self._document("Files", tag("p", f"You are about to open the files of {jid} in this browser."), form)

    def message(self, title: str, text: str) -> bytes:
        """Show a sentence."""
        return self._document(
            title, tag("p", text, id="message"), tag("p", tag("a", "Files", href=self.links.page("")))
        )

    # Parts of pages.

    @property
    def _jid(self) -> str:
        return self.session.jid if self.session is not None else ""

    def _document(self, title: str, *body: Node) -> bytes:
        static = self.links.page("static")
        head = tag(
            "head",
            tag("meta", charset="utf-8"),
            tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
            tag("title", title),
            tag("link", rel="stylesheet", href=f"{static}/disk.css"),
            tag("script", src=f"{static}/disk.js", defer=True),
        )
        return document(tag("html", head, tag("body", self._menu(), tag("h1", title), *body), lang="en"))

    def _menu(self) -> ET.Element | None:
        if self.session is None:
            return None
        room = tag(
            "form",
            _labelled("Files of a room", "store"),
            _button("Open"),
            method="get",
            action=self.links.page(""),
        )
        return tag(
            "header",
            tag("a", "My files", href=self.links.page("")),
            tag("a", "Shared with me", href=self.links.page("shared")),
            room,
            self._form("log-out", _button(f"Log out {self.session.jid}")),
        )

    def _form(self, action: str, *content: Node, enctype: str | None = None) -> ET.Element:
        csrf = _hidden("csrf", self.session.csrf if self.session is not None else "")
        address = self.links.page(f"do/{action}")
        return tag("form", csrf, *content, method="post", action=address, enctype=enctype, class_=action)

    def _put(self, place: Sequence[Node], max_file_bytes: int) -> ET.Element:
        files = tag("input", type="file", name="file", multiple=True, required=True, data_most=str(max_file_bytes))
        label = tag("label", f"Put files here (each up to {wording.size(max_file_bytes)})", files)
        status = tag("output", "")
        return self._form("put", *place, label, _button("Put them here"), status, enctype="multipart/form-data")

    def _table(self, rows: Sequence[ET.Element]) -> ET.Element:
        return tag("table", tag("tbody", *rows)) if rows else tag("p", "Nothing is here.")

    def _entry_row(self, entry: Entry) -> ET.Element:
        kind = "folder" if entry.is_folder else "file"
        return tag(
            "tr",
            tag("td", _choice(f"e{entry.id}", entry.name)),
            tag("td", tag("a", entry.name, href=self._href(entry), class_=kind)),
            tag("td", "" if entry.is_folder else wording.size(entry.size)),
            tag("td", wording.moment(entry.changed)),
            tag("td", tag("a", "More", href=self.links.page(f"entry/{entry.id}"), class_="more")),
        )

    def _href(self, entry: Entry) -> str:
        if entry.is_folder:
            return self.links.folder(entry.store, entry.id)
        return self.links.content(entry.id, entry.name)

    def _crumbs(self, store: str, path: Sequence[Entry]) -> ET.Element:
        links: list[Node] = [tag("a", store, href=self.links.folder(store, 0))]
        for entry in path:
            links += [" / ", tag("a", entry.name, href=self._href(entry))]
        return tag("nav", *links)

    def _next(self, href: str, page: Page) -> ET.Element | None:
        return None if page.after is None else tag("p", tag("a", "More", href=href, id="more"))

    def _share_line(self, share: Share, *, own: bool = True) -> ET.Element:
        link = tag("a", share.name, href=self.links.share(share.token, share.name))
        whom = f" with {share.recipient or 'whoever has the link'}" if own else f" from {share.author}"
        text = f"{whom}, ends: {wording.moment(share.expires)} "
        if not own:
            return tag("p", link, text)
        return self._form(
            "revoke",
            _hidden("token", share.token),
            _hidden("store", share.store),
            link,
            text,
            _button("End this share"),
        )


def _hidden(name: str, value: str) -> ET.Element:
    return tag("input", type="hidden", name=name, value=value)


def _labelled(label: str, name: str, value: str = "", *, type: str = "text", required: bool = False) -> ET.Element:  # noqa: A002 - HTML's
    return tag("label", label, tag("input", type=type, name=name, value=value, required=required))


def _choice(item: str, name: str) -> ET.Element:
    return tag("input", type="checkbox", name="items", value=item, aria_label=name)


def _button(text: str, confirm: str | None = None) -> ET.Element:
    return tag("button", text, data_confirm=confirm)
