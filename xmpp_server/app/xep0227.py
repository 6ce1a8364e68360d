"""XEP-0227: Portable Import/Export Format for XMPP-IM Servers (1.1), over `storage.api`.

What the specification has no place for (documents of other kinds, disabled accounts) stands in elements of a namespace
of ours, which others ignore.
"""

from __future__ import annotations

import asyncio
import os
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import structlog

from xmpp_server.app.xep0227_reader import FormatError, Host, Ignored, User, read
from xmpp_server.core.confusables import skeleton
from xmpp_server.core.ids import Ids
from xmpp_server.core.provisioning import ITERATIONS, SKELETONS
from xmpp_server.jid import JID, JIDMalformed
from xmpp_server.modules import private, vcard
from xmpp_server.sasl.credentials import HASHES, PasswordError, ScramKeys, derive_all
from xmpp_server.stanzas.delay import Delay
from xmpp_server.storage.api import AccountRecord, OfflineMessage, RosterItem, Storage
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import CLIENT, DELAY, PRIVATE, ROSTER, VCARD
from xmpp_server.xml.parser import parse
from xmpp_server.xml.writer import escape_attr, serialize

__all__ = ["FormatError", "Importer", "Report", "export", "new_file"]

NS = "urn:xmpp:pie:0"
NS_SCRAM = "urn:xmpp:pie:0#scram"
NS_OURS = "urn:x-xmpp-server:export:0"
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
    """Write all accounts of all hosts, one after the other; return how many there are.

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


@dataclass(slots=True)
class Report:
    """What an import has done; `ignored` tells what it did not understand."""

    imported: int = 0
    skipped: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)


class Importer:
    """Reads accounts into a store: those of `domains`; a password that stands there gets `iterations` of SCRAM."""

    def __init__(self, storage: Storage, domains: Collection[str], iterations: int = ITERATIONS) -> None:
        self._storage = storage
        self._domains = domains
        self._iterations = iterations
        self._report = Report()

    async def run(self, path: Path, progress: Callable[[int], None]) -> Report:
        """Import a file and those it includes; accounts that exist are skipped.

        Raises:
            FormatError: The file is malformed; the accounts before that place are imported.
            OSError: A file cannot be read.
            StorageError: Something cannot be written.

        """
        host: str | None = None
        for part in read(path):
            match part:
                case Host(jid=jid):
                    host = self._host(jid)
                case User() if host is not None:
                    await self._user(host, part)
                    progress(self._report.imported)
                case Ignored(what=what):
                    self._ignore(what)
        return self._report

    def _ignore(self, what: str) -> None:
        if what not in self._report.ignored:
            self._report.ignored.append(what)

    def _host(self, text: str) -> str | None:
        try:
            host = str(JID.parse(text))
        except JIDMalformed:
            host = ""
        if host in self._domains:
            return host
        self._ignore(f"host {text}: not served here")
        return None

    async def _user(self, host: str, user: User) -> None:
        try:
            jid = JID.of(user.name, host)
        except JIDMalformed as error:
            self._ignore(f"user {user.name}: {error}")
            return
        localpart = jid.localpart or ""
        draft = _Draft(jid, self._ignore)
        for element in user.elements:
            draft.take(element)
        credentials = draft.credentials
        if user.password and not credentials:
            try:
                credentials = await asyncio.to_thread(derive_all, user.password, self._iterations)
            except PasswordError as error:
                self._ignore(f"password of {jid}: {error}")
        record = AccountRecord(jid, draft.enabled, draft.created, credentials)
        if not await self._storage.accounts.create(record):
            self._report.skipped.append(str(jid))
            return
        await self._storage.documents.put(JID.parse(host), SKELETONS, skeleton(localpart), localpart.encode())
        await draft.save(self._storage)
        self._report.imported += 1


class _Draft:
    """An account as far as its elements have been read."""

    def __init__(self, jid: JID, ignore: Callable[[str], None]) -> None:
        self.jid = jid
        self.enabled = True
        self.created = datetime.now(UTC)
        self.credentials: dict[str, ScramKeys] = {}
        self._ignore = ignore
        self._roster: dict[JID, RosterItem] = {}
        self._offline: list[tuple[datetime, bytes]] = []
        self._documents: list[tuple[str, str, bytes]] = []

    def take(self, element: Element) -> None:
        """Understand one child element of <user/>, or note that it is ignored."""
        take = _TAKE.get((element.ns, element.name))
        if take is None:
            self._ignore(f"{element.ns} {element.name}")
            return
        try:
            take(self, element)
        except (ValueError, KeyError, Base64Error) as error:  # JIDMalformed is a ValueError
            self._ignore(f"{element.name} of {self.jid}: {error}")

    async def save(self, storage: Storage) -> None:
        """Write everything but the account itself."""
        for item in self._roster.values():
            await storage.rosters.put(self.jid, item)
        for kind, key, data in self._documents:
            await storage.documents.put(self.jid, kind, key, data)
        stamps = iter(self._offline)
        stamp, _ = self._offline[0] if self._offline else (self.created, b"")
        first = stamp
        ids = Ids(lambda: (stamp - first).total_seconds(), first)
        for stamp, stanza in stamps:
            await storage.offline.append(self.jid, OfflineMessage(ids.new(), stamp, stanza))

    def _account(self, element: Element) -> None:
        self.enabled = element.get("enabled") != "false"
        created = datetime.fromisoformat(element.attrs["created"])
        self.created = created if created.tzinfo else created.replace(tzinfo=UTC)

    def _scram(self, element: Element) -> None:
        name = element.attrs["mechanism"].removeprefix(MECHANISM)
        if name not in HASHES:
            raise ValueError(f"unknown mechanism {element.attrs['mechanism']}")

        def text(child: str) -> str:
            found = element.find(child, NS_SCRAM)
            if found is None:
                raise ValueError(f"{child} is missing")
            return found.text.strip()

        iterations = int(text("iter-count"))
        if iterations < 1:
            raise ValueError("iter-count is not positive")
        salt, server_key, stored_key = (
            b64decode(text(child), validate=True) for child in ("salt", "server-key", "stored-key")
        )
        self.credentials[name] = ScramKeys(salt, iterations, stored_key, server_key)

    def _roster_query(self, query: Element) -> None:
        for element in query.findall("item", ROSTER):
            try:
                self._roster_item(element)
            except ValueError as error:  # JIDMalformed is one
                self._ignore(f"contact {element.get('jid')} of {self.jid}: {error}")

    def _roster_item(self, element: Element) -> None:
        jid = JID.parse(element.get("jid") or "").bare
        subscription = element.get("subscription") or "none"
        if subscription not in ("none", "to", "from", "both"):
            raise ValueError(f"subscription {subscription}")
        pending = self._roster.get(jid)
        self._roster[jid] = RosterItem(
            jid,
            name=element.get("name") or "",
            subscription=subscription,
            ask=element.get("ask") == "subscribe",
            approved=element.get("approved") in ("true", "1"),
            groups=tuple(dict.fromkeys(group.text for group in element.findall("group", ROSTER) if group.text)),
            pending_in=pending.pending_in if pending else None,
        )

    def _request(self, presence: Element) -> None:
        if presence.get("type") != "subscribe":
            raise ValueError("not a subscription request")
        jid = JID.parse(presence.attrs["from"]).bare
        self._roster[jid] = replace(
            self._roster.get(jid) or RosterItem(jid, subscription=""), pending_in=serialize(presence)
        )

    def _private(self, query: Element) -> None:
        queries: dict[str, Element] = {}
        for element in query.elements():
            queries.setdefault(element.tag, Element("query", PRIVATE)).append(element)
        self._documents += [(private.KIND, tag, serialize(one)) for tag, one in queries.items()]

    def _vcard(self, card: Element) -> None:
        self._documents.append((vcard.KIND, "", serialize(card)))

    def _document(self, element: Element) -> None:
        data = b64decode(element.text, validate=True)
        self._documents.append((element.attrs["kind"], element.attrs["key"], data))

    def _offline_messages(self, element: Element) -> None:
        for message in element.findall("message", CLIENT):
            try:
                JID.parse(message.get("from") or "")
            except JIDMalformed:  # it could never be delivered
                self._ignore(f"message from {message.get('from')} to {self.jid}: no such address")
                continue
            stamp = self.created
            for delay in list(message.findall("delay", DELAY)):
                one = Element("delays", NS).append(delay)
                read_delay = Delay.of(one)
                if read_delay is not None and read_delay.by == self.jid.domainpart:
                    stamp = read_delay.stamp
                    message.children.remove(delay)  # storage keeps the time apart
            self._offline.append((stamp, serialize(message)))


_TAKE: dict[tuple[str, str], Callable[[_Draft, Element], None]] = {
    (NS_OURS, "account"): _Draft._account,
    (NS_OURS, "document"): _Draft._document,
    (NS_SCRAM, "scram-credentials"): _Draft._scram,
    (ROSTER, "query"): _Draft._roster_query,
    (CLIENT, "presence"): _Draft._request,
    (PRIVATE, "query"): _Draft._private,
    (VCARD, "vCard"): _Draft._vcard,
    (NS, "offline-messages"): _Draft._offline_messages,
}
