"""XEP-0054: vcard-temp: everybody's card, world-readable, and the server's own."""

from __future__ import annotations

import msgspec

from xmpp_server.core.host import Host
from xmpp_server.core.module import Access, IqRequest, IqType, Module, To, Xep
from xmpp_server.errors import Condition, StanzaError
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import VCARD
from xmpp_server.xml.parser import parse
from xmpp_server.xml.writer import serialize

#: The kind of document; it has one, of the key "".
KIND = "vcard"
TAG = f"{VCARD} vCard"


class VCardConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How large a card may be, in bytes, and what the server's own says; an empty text is left out."""

    card_bytes: int = 131_072
    name: str = ""
    organization: str = ""
    url: str = ""
    description: str = ""


class VCard(Module):
    """Keeps the cards of accounts."""

    name = "vcard"
    xeps = (Xep(54, "1.3.0", "whoever sets another's card gets service-unavailable: nobody learns who exists"),)
    features = (VCARD,)
    account_features = (VCARD,)
    Config = VCardConfig
    config: VCardConfig

    def register(self, host: Host) -> None:
        """Answer for the server and for accounts."""
        self._host = host
        host.on_iq(IqType.GET, To.SERVER, TAG, self.get_server)
        host.on_iq(IqType.SET, To.SERVER, TAG, self.set_server)
        host.on_iq(IqType.GET, To.ACCOUNT, TAG, self.get, Access.ANYONE)
        host.on_iq(IqType.SET, To.ACCOUNT, TAG, self.set, Access.ANYONE)

    async def get(self, request: IqRequest) -> Element:
        """Return a card (§3.1, §3.3).

        Raises:
            StanzaError: item-not-found to its owner, if there is none; service-unavailable to others, as if there were
                no such account.

        """
        account = request.account
        if account is not None:
            stored = await self._host.storage.documents.get(account.jid, KIND, "")
            if stored is not None:
                return parse(stored)
            if request.sender.bare == account.jid:
                raise StanzaError(Condition.ITEM_NOT_FOUND)
        raise StanzaError(Condition.SERVICE_UNAVAILABLE)

    async def set(self, request: IqRequest) -> None:
        """Replace one's card (§3.2).

        Raises:
            StanzaError: forbidden to others whom the account lets see its presence, service-unavailable to everybody
                else. policy-violation; the card is too large. not-allowed; the account is anonymous.

        """
        account, sender = request.account, request.sender.bare
        if account is None or account.jid != sender:
            item = None if account is None else account.roster.get(sender)
            known = item is not None and item.subscription in ("from", "both")
            raise StanzaError(Condition.FORBIDDEN if known else Condition.SERVICE_UNAVAILABLE)
        if account.anonymous:
            raise StanzaError(Condition.NOT_ALLOWED, "Anonymous accounts have no card")
        data = serialize(request.payload)
        if len(data) > self.config.card_bytes:
            raise StanzaError(
                Condition.POLICY_VIOLATION, f"A card has at most {self.config.card_bytes} bytes", echo=False
            )
        await self._host.storage.documents.put(account.jid, KIND, "", data)

    def get_server(self, request: IqRequest) -> Element:
        """Return the server's card (§3.3, note)."""
        config = self.config
        card = Element("vCard", VCARD)
        card.add("FN", text=config.name or self._host.name)
        if config.organization:
            card.add("ORG").add("ORGNAME", text=config.organization)
        if config.url:
            card.add("URL", text=config.url)
        card.add("JABBERID", text=self._host.name)
        if config.description:
            card.add("DESC", text=config.description)
        return card

    def set_server(self, request: IqRequest) -> None:
        """Refuse: the server's card stands in its configuration (§3.2)."""
        raise StanzaError(Condition.FORBIDDEN)
