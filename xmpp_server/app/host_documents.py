"""What a server keeps beside its accounts (rooms, greetings, invitations, rules, ...), in files of XEP-0227.

The specification has no place for it: it stands behind the hosts, in a namespace of ours that others ignore.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Callable, Collection
from typing import Final

from xmpp_server.app.xep0227_reader import NS, NS_OURS
from xmpp_server.core.provisioning import SKELETONS
from xmpp_server.jid import JID
from xmpp_server.storage.api import Storage
from xmpp_server.xml.element import Element
from xmpp_server.xml.writer import serialize

PAGE: Final = 1000
#: An import makes them anew, of the accounts that it takes.
DERIVED: Final = frozenset({SKELETONS})


async def write(storage: Storage, put: Callable[[bytes], object]) -> None:
    """Write the documents of everybody who is no account.

    Raises:
        StorageError: Something cannot be read.

    """
    hosts = set(await storage.accounts.hosts())
    after: str | None = None
    while page := await storage.documents.owners(after, PAGE):
        for owner in page:
            if owner.localpart is None or owner.domainpart not in hosts:
                await _write_owner(storage, owner, put)
        after = str(page[-1])


async def _write_owner(storage: Storage, owner: JID, put: Callable[[bytes], object]) -> None:
    for kind in await storage.documents.kinds(owner):
        if kind in DERIVED:
            continue
        for key, data in (await storage.documents.all(owner, kind)).items():
            attrs = {"owner": str(owner), "kind": kind, "key": key}
            put(serialize(Element("document", NS_OURS, attrs, b64encode(data).decode()), NS) + b"\n")


class DocumentReader:
    """Stores documents of `domains`; what is there already stays as it is, and a room is taken whole or not at all."""

    def __init__(
        self,
        storage: Storage,
        domains: Collection[str],
        skip: Callable[[str], None],
        ignore: Callable[[str], None],
    ) -> None:
        self._storage = storage
        self._domains = domains
        self._skip = skip
        self._ignore = ignore
        self._owner: JID | None = None
        self._is_there = False

    async def take(self, element: Element) -> None:
        """Store one document, or tell why not; those of one owner come one after the other.

        Raises:
            StorageError: It cannot be written.

        """
        try:
            owner = JID.parse(element.attrs["owner"])
            kind, key = element.attrs["kind"], element.attrs["key"]
            data = b64decode(element.text, validate=True)
        except (ValueError, KeyError, Base64Error) as error:  # JIDMalformed is a ValueError
            self._ignore(f"{element.name} of {element.get('owner')}: {error}")
            return
        if owner.domainpart not in self._domains:
            self._ignore(f"documents of {owner.domainpart}: not served here")
            return
        if owner != self._owner:
            self._owner = owner
            self._is_there = owner.localpart is not None and bool(await self._storage.documents.kinds(owner))
        if self._is_there:
            self._skip(str(owner))
            return
        stored = await self._storage.documents.get(owner, kind, key)
        if stored is None:
            await self._storage.documents.put(owner, kind, key, data)
        elif stored != data:
            self._skip(f"{kind} {key} of {owner}".replace("  ", " "))
