"""XEP-0424 and XEP-0425: what was retracted leaves a tombstone, which says nothing of what was said."""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree import ElementTree as ET

from components.xmpp_archive.namespaces import MODERATE, OCCUPANT_ID, RETRACT, SID

_RETRACT = f"{{{RETRACT}}}retract"
_RETRACTED = f"{{{RETRACT}}}retracted"
_MODERATED = f"{{{MODERATE}}}moderated"
_REASON = f"{{{RETRACT}}}reason"
_OCCUPANT_ID = f"{{{OCCUPANT_ID}}}occupant-id"
_MUC_USER = "{http://jabber.org/protocol/muc#user}x"
_STANZA_ID = f"{{{SID}}}stanza-id"


@dataclass(frozen=True, slots=True)
class Retraction:
    """The wish that a message is forgotten. `target` is its id: in rooms that of the room, else the sender's."""

    target: str
    #: The message that says so, and who has sent it; in rooms that is a nickname.
    ident: str
    sender: str
    occupant: str | None
    #: What the room says of its moderator, where it is the room that retracts.
    moderated: ET.Element | None
    reason: str

    @classmethod
    def of(cls, message: ET.Element, ident: str) -> Retraction | None:
        """Read it from a message, whose id in the archive is `ident`; None where it is none."""
        retract = message.find(_RETRACT)
        target = None if retract is None else retract.get("id")
        if retract is None or not target:
            return None
        return cls(
            target,
            message.get("id") or ident,
            message.get("from") or "",
            _occupant(message),
            retract.find(_MODERATED),
            retract.findtext(_REASON) or "",
        )

    def may_bury(self, message: ET.Element, owner: str) -> bool:
        """Tell whether a message in somebody's archive was said by who takes it back, or where a moderator does."""
        author = message.get("from") or ""
        if message.get("type") != "groupchat":
            if message.find(_MUC_USER) is not None and _bare(author) != owner:  # by an occupant, in private
                return author == self.sender and _occupant(message) == self.occupant
            return bool(author) and _bare(author) == _bare(self.sender)
        if _bare(author) != _bare(self.sender):
            return False
        if self.moderated is not None:  # only the room itself has no nickname
            return "/" not in self.sender
        return self.occupant is not None and self.occupant == _occupant(message)


def bury(stanza: str, owner: str, retraction: Retraction, stamp: str) -> str | None:
    """Return the tombstone of a message in an archive; None where it is not to be retracted, or was already."""
    message = ET.fromstring(stanza)  # noqa: S314 - it is from our own store
    if message.find(_RETRACTED) is not None or not retraction.may_bury(message, owner):
        return None
    tombstone = ET.Element(message.tag, message.attrib)
    tombstone.extend(child for child in message if child.tag in (_STANZA_ID, _OCCUPANT_ID))
    retracted = ET.SubElement(tombstone, _RETRACTED, {"id": retraction.ident, "stamp": stamp})
    if retraction.moderated is not None:
        retracted.append(retraction.moderated)
    if retraction.reason:
        ET.SubElement(retracted, _REASON).text = retraction.reason
    return ET.tostring(tombstone, "unicode")


def _occupant(message: ET.Element) -> str | None:
    element = message.find(_OCCUPANT_ID)
    return None if element is None else element.get("id")


def _bare(jid: str) -> str:
    return jid.partition("/")[0]
