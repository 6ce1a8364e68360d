"""XEP-0431: full-text search in the archive of a room."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import slixmpp
from slixmpp.exceptions import IqError, IqTimeout
from slixmpp.xmlstream.handler import Collector
from slixmpp.xmlstream.matcher import MatchXPath

from xmpp_bot.errors import Refusal
from xmpp_bot.messages import Kind, Message
from xmpp_bot.stamps import parse_stamp

MAM = "urn:xmpp:mam:2"
FULLTEXT = "{urn:xmpp:fulltext:0}fulltext"
RESULT = f"{{{MAM}}}result"
FORWARDED = "{urn:xmpp:forward:0}forwarded"
CLIENT = "{jabber:client}"
TIMEOUT_S = 30.0


async def search_room(client: slixmpp.ClientXMPP, room: str, text: str, limit: int) -> list[Message]:
    """Return the latest messages with the words, oldest first.

    Raises:
        Refusal: The room has no archive, or it cannot search.

    """
    iq = client.make_iq_set(ito=slixmpp.JID(room))
    iq.append(_query(iq["id"], text, limit))
    collector = Collector(f"search {iq['id']}", MatchXPath(f"{CLIENT}message/{RESULT}"))
    client.register_handler(collector)
    try:
        await iq.send(timeout=TIMEOUT_S)
    except (IqError, IqTimeout) as error:
        raise Refusal("This room cannot be searched.") from error
    finally:
        results = collector.stop()
    found = []
    for stanza in results:
        result = stanza.xml.find(RESULT)
        if stanza["from"].full == room and result is not None and result.get("queryid") == iq["id"]:
            found += _read(result, room)
    return found


def _query(ident: str, text: str, limit: int) -> ET.Element:
    query = ET.Element(f"{{{MAM}}}query", {"queryid": ident})
    form = ET.SubElement(query, "{jabber:x:data}x", {"type": "submit"})
    for name, value in (("FORM_TYPE", MAM), (FULLTEXT, text)):
        field = ET.SubElement(form, "{jabber:x:data}field", {"var": name})
        ET.SubElement(field, "{jabber:x:data}value").text = value
    page = ET.SubElement(query, "{http://jabber.org/protocol/rsm}set")
    ET.SubElement(page, "{http://jabber.org/protocol/rsm}max").text = str(limit)
    ET.SubElement(page, "{http://jabber.org/protocol/rsm}before")
    return query


def _read(result: ET.Element, room: str) -> list[Message]:
    message = result.find(f"{FORWARDED}/{CLIENT}message")
    stamp = parse_stamp(result.find(f"{FORWARDED}/{{urn:xmpp:delay}}delay"))
    body = None if message is None else message.findtext(f"{CLIENT}body")
    if message is None or stamp is None or not body:
        return []
    sender = message.get("from", "")
    return [
        Message(
            sender=sender,
            user=sender,
            text=body,
            kind=Kind.GROUPCHAT,
            id=message.get("id", ""),
            stanza_id=result.get("id", ""),
            room=room,
            nick=sender.partition("/")[2],
            stamp=stamp,
        )
    ]
