"""The bytestream proxy on the XMPP side: discovery, its address, activation (XEP-0065 §4, §6.3.5)."""

from __future__ import annotations

import hashlib
from xml.etree import ElementTree as ET

import structlog
from slixmpp import JID, InvalidJID

from components.xmpp_component.errors import RequestError
from components.xmpp_component.link import Link
from components.xmpp_component.settings import Server
from components.xmpp_files.access import Access
from components.xmpp_files.relay import Activation, Relay
from components.xmpp_files.settings import ProxySettings

log = structlog.get_logger(__name__)

NS = "http://jabber.org/protocol/bytestreams"
_MAX_SID_CHARS = 1024


class ProxyLink(Link):
    """`proxy.example.org`; `host` and `port` are what peers connect to."""

    def __init__(self, server: Server, settings: ProxySettings, relay: Relay, host: str, port: int) -> None:
        super().__init__(settings.domain, server)
        self._access = Access(settings.users, settings.domain)
        self._relay = relay
        self._host = host
        self._port = port
        disco = self.plugin["xep_0030"]
        disco.add_identity("proxy", "bytestreams", "File Transfer Relay")
        disco.add_feature(NS)
        self.answers({"get": self._tell_address, "set": self._activate}, f"{{{NS}}}query")

    async def _tell_address(self, _query: ET.Element, sender: str) -> ET.Element:
        self._check(sender)
        query = ET.Element(f"{{{NS}}}query")
        ET.SubElement(query, f"{{{NS}}}streamhost", jid=self.boundjid.bare, host=self._host, port=str(self._port))
        return query

    async def _activate(self, query: ET.Element, sender: str) -> None:
        self._check(sender)
        sid = query.get("sid", "")
        target = query.findtext(f"{{{NS}}}activate")
        if not 0 < len(sid) <= _MAX_SID_CHARS or not target:
            raise RequestError("bad-request", "modify", "A stream id and the target are needed")
        match self._relay.activate(stream_hash(sid, sender, target), JID(sender).bare):
            case Activation.UNKNOWN:
                raise RequestError("item-not-found", "cancel", "Nobody is connected for this stream of yours")
            case Activation.ALONE:
                raise RequestError("not-allowed", "cancel", "Only one party is connected")

    def _check(self, sender: str) -> None:
        if not self._access.allows(JID(sender).bare):
            raise RequestError("forbidden", "auth", "You may not use this proxy")


def stream_hash(sid: str, requester: str, target: str) -> str:
    """Return what both peers ask the proxy for (XEP-0065 §5.3.2).

    Raises:
        RequestError: The target is no JID.

    """
    try:
        prepared = JID(target.strip()).full
    except InvalidJID:
        raise RequestError("bad-request", "modify", "The target is no JID") from None
    return hashlib.sha1(f"{sid}{requester}{prepared}".encode(), usedforsecurity=False).hexdigest()
