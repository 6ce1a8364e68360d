"""Writes files of XEP-0227: one account after the other, page by page.

What the specification has no place for (documents of other kinds, disabled accounts) stands in elements of a namespace
of ours, which others ignore.
"""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import structlog

from xmpp_server.app import host_documents
from xmpp_server.app.xep0227_reader import NS, NS_OURS
from xmpp_server.jid import JID
from xmpp_server.modules import private, vcard
from xmpp_server.sasl.credentials import ScramKeys
from xmpp_server.stanzas.delay import Delay
from xmpp_server.storage.api import AccountRecord, RosterItem, Storage
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import PRIVATE, ROSTER
from xmpp_server.xml.parser import parse
from xmpp_server.xml.writer import escape_attr, serialize

NS_SCRAM = "urn:xmpp:pie:0#scram"
MECHANISM = "SCRAM-"

PAGE = 100

log = structlog.get_logger()


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """Open a new file that only its owner may read; it gets its name once everything is written.

    Raises:
        FileExistsError: There is one already.
        OSError: It cannot be written.

    """
    if path.exists():
        raise FileExistsError(path)
    partial = path.with_name(f"{path.name}.part")
    try:
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
            yield file
        os.link(partial, path)  # unlike a renaming, this replaces nothing
    finally:
        partial.unlink(missing_ok=True)


async def export(storage: Storage, write: Callable[[bytes], object], progress: Callable[[int], None]) -> int:
    """Write all accounts of all hosts, and what belongs to none of them; return how many accounts there are.

    Args:
        storage: An open store.
        write: Takes the next bytes of the file.
        progress: Hears how many accounts are done, after each page.

    Raises:
        StorageError: Something cannot be read.

    """
    count = 0
    write(f"<?xml version='1.0' encoding='UTF-8'?>\n<server-data xmlns='{NS}'>\n".encode())
    for host in await storage.accounts.hosts():
        write(f"<host jid='{escape_attr(host)}'>\n".encode())
        after: str | None = None
        while page := await storage.accounts.list(host, after, PAGE):
            for jid in page:
                record = await storage.accounts.get(jid)
                if record is not None:  # deleted a moment ago
                    await _Account(storage, record, write).write()
                    count += 1
            after = str(page[-1])
            progress(count)
        write(b"</host>\n")
    await host_documents.write(storage, write)
    write(b"</server-data>\n")
    return count


class _Account:
    """Writes one account."""

    def __init__(self, storage: Storage, record: AccountRecord, write: Callable[[bytes], object]) -> None:
        self._storage = storage
        self._record = record
        self._jid = record.jid
        self._write = write

    async def write(self) -> None:
        self._write(f"<user name='{escape_attr(self._jid.localpart or '')}'>\n".encode())
        self._put(
            Element(
                "account",
                NS_OURS,
                {"created": self._record.created.isoformat(), "enabled": str(self._record.enabled).lower()},
            )
        )
        for name, keys in sorted(self._record.credentials.items()):
            self._put(_credentials(name, keys))
        await self._roster()
        await self._documents()
        await self._offline()
        self._write(b"</user>\n")

    def _put(self, element: Element) -> None:
        self._write(serialize(element, NS) + b"\n")

    def _read(self, data: bytes, what: str) -> Element | None:
        """Parse what was stored; what is damaged is left out, or one bad row would keep everything from its backup."""
        try:
            return parse(data)
        except ValueError:
            log.error("export-unreadable", account=str(self._jid), what=what)
            return None

    async def _roster(self) -> None:
        _, items = await self._storage.rosters.load(self._jid)
        query = Element("query", ROSTER)
        for item in items:
            if item.subscription:  # more than a request from somebody
                query.append(_roster_item(item))
        self._put(query)
        for item in items:
            if item.pending_in and (request := self._read(item.pending_in, "request")) is not None:
                self._put(request)

    async def _documents(self) -> None:
        for kind in await self._storage.documents.kinds(self._jid):
            documents = await self._storage.documents.all(self._jid, kind)
            if kind == private.KIND:
                query = Element("query", PRIVATE)
                for data in documents.values():
                    stored = self._read(data, kind)
                    query.children += () if stored is None else stored.elements()
                self._put(query)
                continue
            for key, data in documents.items():
                if kind == vcard.KIND:
                    if (card := self._read(data, kind)) is not None:
                        self._put(card)
                else:
                    text = b64encode(data).decode()
                    self._put(Element("document", NS_OURS, {"kind": kind, "key": key}, text))

    async def _offline(self) -> None:
        """Write messages page by page, each with the time when it came (XEP-0203)."""
        after: str | None = None
        begun = False
        while page := await self._storage.offline.load(self._jid, after, PAGE):
            if not begun:
                self._write(b"<offline-messages>\n")
                begun = True
            for message in page:
                stored = self._read(message.stanza, "offline message")
                if stored is None:
                    continue
                element = stored.copy()
                server = JID.parse(self._jid.domainpart)
                element.append(Delay(message.stamp, server, "Offline Storage").to_element())
                self._put(element)
            after = page[-1].id
        if begun:
            self._write(b"</offline-messages>\n")


def _credentials(hash_name: str, keys: ScramKeys) -> Element:
    element = Element("scram-credentials", NS_SCRAM, {"mechanism": MECHANISM + hash_name})
    element.add("iter-count", text=str(keys.iterations))
    element.add("salt", text=b64encode(keys.salt).decode())
    element.add("server-key", text=b64encode(keys.server_key).decode())
    element.add("stored-key", text=b64encode(keys.stored_key).decode())
    return element


def _roster_item(item: RosterItem) -> Element:
    attrs = {"jid": str(item.jid), "subscription": item.subscription}
    if item.name:
        attrs["name"] = item.name
    if item.ask:
        attrs["ask"] = "subscribe"
    if item.approved:
        attrs["approved"] = "true"
    element = Element("item", ROSTER, attrs)
    for group in item.groups:
        element.add("group", text=group)
    return element
