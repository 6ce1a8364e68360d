"""XEP-0452: members who are not there are sent the messages in which they are mentioned (XEP-0372)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from urllib.parse import unquote

from xmpp_server.core.hooks import Verdict
from xmpp_server.core.order import Order
from xmpp_server.errors import StanzaError
from xmpp_server.jid import JID, JIDMalformed
from xmpp_server.modules.muc.form import Setting, Values
from xmpp_server.modules.muc.hooks import RoomMessage
from xmpp_server.modules.muc.messages import reflection
from xmpp_server.modules.muc.module import Muc
from xmpp_server.modules.muc.nicks import nick_key
from xmpp_server.modules.muc.roles import Affiliation
from xmpp_server.modules.muc.room import Room
from xmpp_server.modules.muc.settings import RoomConfig
from xmpp_server.stanzas import message
from xmpp_server.stanzas.delay import Delay
from xmpp_server.stanzas.forms import BOOLEANS, FieldType
from xmpp_server.stanzas.forward import Forwarded
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import HINTS
from xmpp_server.xml.parser import parse

MENTIONS, REFERENCE = "urn:xmpp:mmn:0", "urn:xmpp:reference:0"
TAG = f"{REFERENCE} reference"
#: What the configuration keeps.
FORWARD = "forward_mentions"
#: Who is mentioned in one message beyond these is not told.
MENTIONED = 20


def _read(config: RoomConfig) -> Values:
    return config.more.get(FORWARD, ("0",))


def _write(config: RoomConfig, values: Values) -> RoomConfig:
    return config.having(forward_mentions=("1",) if values and BOOLEANS[values[0]] else ())


SETTING = Setting(
    "muc#roomconfig_forwardmentions",
    FieldType.BOOLEAN,
    "Forward messages with mentions to absent members",
    _read,
    _write,
)


class Mentions:
    """Forwards messages."""

    def __init__(self, muc: Muc) -> None:
        self._muc = muc
        muc.settings.append(SETTING)
        muc.hooks.message.add(self._seen, Order.PUSH)

    def _seen(self, event: RoomMessage) -> Verdict:
        room = event.open.room
        if TAG in event.stanza.children and FORWARD in room.config.more:
            uris = [
                one.get("uri") or "" for one in event.stanza.element.findall("reference", REFERENCE) if _is_mention(one)
            ]
            absent = dict.fromkeys(jid for jid in _named(room, uris[:MENTIONED]) if _is_absent_member(room, jid))
            if absent:
                # behind the message itself, which is still to be reflected
                self._muc.host.runtime.soon(partial(self._forward, event, list(absent)))
        return False

    def _forward(self, event: RoomMessage, to: list[JID]) -> None:
        room, host = event.open.room.jid, self._muc.host
        original = parse(reflection(event).wire(room))
        forwarded = Forwarded(original, Delay(host.utcnow())).to_element()
        payloads = (Element("mentions", MENTIONS).append(forwarded), Element("store", HINTS))
        for jid in to:
            self._muc.service.send(message.build(room, jid, id=host.ids.new(), payloads=payloads))


def _is_mention(reference: Element) -> bool:
    return reference.get("type") == "mention"


def _named(room: Room, uris: list[str]) -> Iterator[JID]:
    """Yield the accounts that are meant: by their addresses, or by nicknames that they have registered."""
    for uri in uris:
        scheme, _, address = uri.partition(":")
        try:
            jid = JID.parse(unquote(address.partition("?")[0]))
            if scheme.lower() != "xmpp":
                continue
            if jid.bare == room.jid:
                holder = room.holder(nick_key(jid.resourcepart)) if jid.resourcepart is not None else None
                if holder is not None:
                    yield holder
            else:
                yield jid.bare
        except (JIDMalformed, StanzaError):
            continue


def _is_absent_member(room: Room, jid: JID) -> bool:
    found = room.affiliates.get(jid)
    return (
        found is not None
        and found.affiliation >= Affiliation.MEMBER
        and jid.localpart is not None
        and not room.occupants.of(jid)
    )
