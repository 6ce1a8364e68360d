"""What the server hands over: a batch of entries and erasures (docs/archive-protocol.md)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeAlias
from xml.etree import ElementTree as ET
from xml.sax.saxutils import unescape
from zlib import crc32

from components.xmpp_archive.namespaces import ARCHIVE, CARBONS, CLIENT, HINTS, MAM, RETRACT, SID
from components.xmpp_archive.rules import is_kept
from components.xmpp_archive.settings import Rules
from components.xmpp_archive.tombstone import Retraction

_MESSAGE = f"{{{CLIENT}}}message"
_STANZA_ID = f"{{{SID}}}stanza-id"
_LONGEST_ID = 255
#: A message of more bytes could not be handed out again: the server takes half a megabyte from a component at once. One
#: that comes as a quarter may grow where the server has to write it anew.
_MOST_BYTES = 400_000
_QUOTES = {"&quot;": '"', "&apos;": "'"}
_ID = re.compile(r"[0-9a-f]{12}")
_TYPE = re.compile(r"<message (?:[a-z:]+=(?:'[^'<]*'|\"[^\"<]*\") )*?type=['\"]([a-z]+)['\"]")
#: The `id` of a message, as it stands in its start tag.
_MESSAGE_ID = re.compile(r"<message(?=\s)[^>]*?\sid=(?:'([^'<]*)'|\"([^\"<]*)\")")
#: What has to be looked at before a message is kept.
_TELLING = (HINTS, CARBONS, MAM, RETRACT)


@dataclass(frozen=True, slots=True)
class Entry:
    """One message in one archive. `owner` is a bare JID, `contact` the JID of the other side.

    The first twelve hexadecimal digits of `id` are the time, in milliseconds since 1970.
    """

    id: str
    owner: str
    contact: str
    stanza: str
    room: bool = False
    groupchat: bool = False
    in_roster: bool = False
    #: `reference` of the id by which others may speak of it, None in rooms.
    reference: int | None = None
    #: What it takes back.
    retraction: Retraction | None = None


@dataclass(frozen=True, slots=True)
class Erasure:
    """The end of an archive: its account or room is gone."""

    owner: str


Item: TypeAlias = Entry | Erasure


class BadEntryError(Exception):
    """What is handed over is not of the protocol; it will not become better by being sent again."""


def items(store: ET.Element, rules: Rules, refused: list[str]) -> Iterator[Item]:
    """Read `<store/>`; what the rules leave out is left out, and what is damaged is told in `refused`."""
    for element in store:
        if element.tag == f"{{{ARCHIVE}}}erase" and element.get("owner"):
            yield Erasure(element.attrib["owner"])
        elif element.tag == f"{{{ARCHIVE}}}entry":
            try:
                entry = _entry(element, rules)
            except BadEntryError as error:
                refused.append(f"{element.get('id', '')[:60]}: {error}")
                continue
            if entry is not None:
                yield entry


def _entry(element: ET.Element, rules: Rules) -> Entry | None:
    ident, owner, contact = element.get("id", ""), element.get("owner", ""), element.get("with", "")
    if not owner or not contact or not 0 < len(ident) <= _LONGEST_ID:
        raise BadEntryError("id, owner and with must be there")
    stanza = element.text or ""
    if len(stanza) > _MOST_BYTES // 4 and len(stanza.encode()) > _MOST_BYTES:
        raise BadEntryError("too large to be handed out again")
    room = element.get("room") == "true"
    if _is_plain(stanza, owner, ident, room):
        in_roster = element.get("roster") == "true"
        return Entry(ident, owner, contact, stanza, room, room, in_roster, None if room else reference_of(stanza))
    try:
        stamp_ms(ident)
        message = ET.fromstring(stanza)  # noqa: S314 - the server's scanner has refused what can do harm
    except (ValueError, ET.ParseError) as error:
        raise BadEntryError(str(error)) from None
    if message.tag != _MESSAGE:
        raise BadEntryError("not a message of jabber:client")
    if not is_kept(message, rules):
        return None
    if "stanza-id" in stanza:
        stanza = _without_forged_ids(message, stanza, owner, ident)
    return Entry(
        ident,
        owner,
        contact,
        stanza,
        room,
        message.get("type") == "groupchat",
        element.get("roster") == "true",
        None if room else reference(known_as(message)),
        Retraction.of(message, ident) if RETRACT in stanza else None,
    )


def known_as(message: ET.Element) -> str | None:
    """Return the id by which others speak of a message: of groupchat that of the room (XEP-0424 §5.1)."""
    if message.get("type") != "groupchat":
        return message.get("id")
    room = (message.get("from") or "").partition("/")[0]
    return next((one.get("id") for one in message.findall(_STANZA_ID) if one.get("by") == room), None)


def reference(name: str | None) -> int | None:
    """Return a number for an id that others have given, which may be long; different ids may share one."""
    return crc32(name.encode()) if name else None


def reference_of(stanza: str) -> int | None:
    """Return `reference` of the id of a message that is no groupchat, without parsing it."""
    end = stanza.find(">")
    if stanza.find('"', 0, end) < 0:  # nearly always; then no value can look like an attribute
        at = stanza.find(" id='", 0, end)
        if at < 0:
            return None
        name = stanza[at + 5 : stanza.find("'", at + 5)]
        return reference(unescape(name, _QUOTES) if "&" in name else name)
    match = _MESSAGE_ID.match(stanza)
    return None if match is None else reference(unescape(match[1] or match[2] or "", _QUOTES))


def _is_plain(stanza: str, owner: str, ident: str, room: bool) -> bool:
    """Tell at a glance what nearly all messages are: they have a body, no hints, and no id but our own.

    Parsing them to know more would cost as much as storing them.
    """
    kind = _TYPE.match(stanza)
    if kind is None or kind[1] != ("groupchat" if room else "chat") or _ID.match(ident) is None:
        return False
    ids = stanza.count("stanza-id")
    if "<body>" not in stanza:
        return False
    if stanza.count("urn:xmpp:") != ids and any(text in stanza for text in _TELLING):  # mostly there is but the id
        return False
    return not ids or (ids == 1 and f"<stanza-id xmlns='{SID}' by='{owner}' id='{ident}'/>" in stanza)


def stamp_ms(ident: str) -> int:
    """Return the time of an id; raises ValueError."""
    if _ID.match(ident) is None:
        raise ValueError("the id does not begin with a time")
    return int(ident[:12], 16)


def stamp(milliseconds: int) -> str:
    """Return a time as XEP-0082 writes it."""
    moment = datetime.fromtimestamp(milliseconds // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03d}Z"


def first_id(milliseconds: int) -> str:
    """Return what no id from then on is less than."""
    return f"{min(max(milliseconds, 0), 2**48 - 1):012x}"


def _without_forged_ids(message: ET.Element, stanza: str, owner: str, ident: str) -> str:
    """Leave out ids that claim to be the archive's and are not (XEP-0359 §6)."""
    forged = [one for one in message.findall(_STANZA_ID) if one.get("by") == owner and one.get("id") != ident]
    if not forged:
        return stanza
    for one in forged:
        message.remove(one)
    return ET.tostring(message, "unicode")
