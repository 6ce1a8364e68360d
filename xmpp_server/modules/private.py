"""XEP-0049: Private XML Storage."""

from __future__ import annotations

import msgspec

from xmpp_server.core.accounts import Account
from xmpp_server.core.host import Host
from xmpp_server.core.module import IqRequest, IqType, Module, To, Xep
from xmpp_server.errors import Condition, StanzaError
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import PRIVATE
from xmpp_server.xml.parser import parse
from xmpp_server.xml.writer import serialize

#: The kind of document. Its keys are the tags of the elements ("ns name"), its data is `<query/>` with all of that tag.
KIND = "private"
#: Namespaces that nobody keeps private data in (§2.3).
RESERVED = ("jabber:", "http://jabber.org/", "vcard-temp")


class PrivateConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much an account may store in all, in bytes."""

    account_bytes: int = 1_048_576


class PrivateStorage(Module):
    """Keeps whatever a client wants to find again, for its account alone."""

    name = "private"
    xeps = (Xep(49, "1.2"),)
    features = (PRIVATE,)
    Config = PrivateConfig
    config: PrivateConfig

    def register(self, host: Host) -> None:
        """Answer the owner; everybody else gets service-unavailable (§2.3)."""
        self._host = host
        host.on_iq(IqType.GET, To.ACCOUNT, f"{PRIVATE} query", self.get)
        host.on_iq(IqType.SET, To.ACCOUNT, f"{PRIVATE} query", self.set)

    async def get(self, request: IqRequest) -> Element:
        """Return what was stored, or what was asked if there is nothing.

        Raises:
            StanzaError: not-acceptable; nothing is asked for, or a reserved namespace. bad-request; more than one.

        """
        asked = _checked(request.payload)
        if len(asked) > 1:
            raise StanzaError(Condition.BAD_REQUEST, "One namespace at a time")
        stored = await self._host.storage.documents.get(request.own.jid, KIND, asked[0].tag)
        if stored is not None:
            return parse(stored)
        query = Element("query", PRIVATE)
        query.add(asked[0].name, asked[0].ns)
        return query

    async def set(self, request: IqRequest) -> None:
        """Store elements by their names; what was there is replaced.

        Raises:
            StanzaError: not-acceptable; there is nothing, or a reserved namespace. resource-constraint; the account's
                storage is full. not-allowed; the account is anonymous.

        """
        account = request.own
        if account.anonymous:
            raise StanzaError(Condition.NOT_ALLOWED, "Anonymous accounts store nothing")
        queries: dict[str, Element] = {}
        for element in _checked(request.payload):
            queries.setdefault(element.tag, Element("query", PRIVATE)).append(element)
        data = {tag: serialize(query) for tag, query in queries.items()}
        await self._check_quota(account, data)
        documents = self._host.storage.documents
        for commit in [documents.put(account.jid, KIND, tag, query) for tag, query in data.items()]:
            await commit

    async def _check_quota(self, account: Account, new: dict[str, bytes]) -> None:
        stored = await self._host.storage.documents.all(account.jid, KIND)
        size = sum(len(tag) + len(data) for tag, data in {**stored, **new}.items())
        if size > self.config.account_bytes:
            raise StanzaError(Condition.RESOURCE_CONSTRAINT, "The account's private storage is full")


def _checked(query: Element) -> list[Element]:
    """Return the children, each in a namespace of its own (§2.3)."""
    elements = list(query.elements())
    if not elements:
        raise StanzaError(Condition.NOT_ACCEPTABLE, "Store or ask for what?")
    for element in elements:
        if not element.ns or element.ns.startswith(RESERVED):
            raise StanzaError(Condition.NOT_ACCEPTABLE, "Private data needs a namespace of its own")
    return elements
