"""XEP-0227: Portable Import/Export Format for XMPP-IM Servers (1.1), over `storage.api`.

Export is `xep0227_writer`, the file format's outer levels are `xep0227_reader`; here is what becomes of users.
"""

from __future__ import annotations

import asyncio
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from xmpp_server.app.host_documents import DocumentReader
from xmpp_server.app.xep0227_reader import NS, NS_OURS, FormatError, Host, Ignored, User, read
from xmpp_server.app.xep0227_writer import MECHANISM, NS_SCRAM, export, new_file
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
from xmpp_server.xml.writer import serialize

NOT_WHILE_RUNNING = "rooms and what else is no account's: stop the server, and import the file again"

__all__ = ["FormatError", "Importer", "Report", "export", "new_file"]


@dataclass(slots=True)
class Report:
    """What an import has done; `ignored` tells what it did not understand."""

    imported: int = 0
    skipped: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)


class Importer:
    """Reads accounts into a store: those of `domains`; a password that stands there gets `iterations` of SCRAM.

    `on_imported` hears of each account once all of it is stored. What is no account's is read for the domains of
    `services`, or not at all: a running server has its own in memory.
    """

    def __init__(
        self,
        storage: Storage,
        domains: Collection[str],
        iterations: int = ITERATIONS,
        on_imported: Callable[[JID], None] = lambda _: None,
        services: Collection[str] | None = None,
    ) -> None:
        self._on_imported = on_imported
        self._storage = storage
        self._domains = domains
        self._iterations = iterations
        self._report = Report()
        self._documents = None if services is None else DocumentReader(storage, services, self._skip, self._ignore)

    async def run(self, path: Path, progress: Callable[[int], None]) -> Report:
        """Import a file and those it includes; what exists is skipped.

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
                case Element() if self._documents is not None:
                    await self._documents.take(part)
                case Element():
                    self._ignore(NOT_WHILE_RUNNING)
                case Ignored(what=what):
                    self._ignore(what)
        return self._report

    def _skip(self, what: str) -> None:
        if what not in self._report.skipped:
            self._report.skipped.append(what)

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
        self._on_imported(jid)
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
