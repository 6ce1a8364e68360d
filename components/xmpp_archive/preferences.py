"""XEP-0441: which contacts a user wants archived."""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree import ElementTree as ET

from slixmpp import JID
from slixmpp.jid import InvalidJID

from components.xmpp_archive.namespaces import MAM
from components.xmpp_component.errors import RequestError

DEFAULTS = ("always", "never", "roster")


@dataclass(frozen=True, slots=True)
class Prefs:
    """A user's wishes; the lists hold bare and full JIDs."""

    default: str
    always: tuple[str, ...] = ()
    never: tuple[str, ...] = ()

    def wants(self, contact: str, in_roster: bool) -> bool:
        """Tell whether a message of a contact (bare or full JID) is to be archived (§3)."""
        if self.always or self.never:
            bare = contact.partition("/")[0]
            for names, verdict in ((self.never, False), (self.always, True)):
                if contact in names or bare in names:
                    return verdict
        return self.default == "always" or (self.default == "roster" and in_roster)

    @classmethod
    def parse(cls, prefs: ET.Element, most: int) -> Prefs:
        """Read `<prefs/>`.

        Raises:
            RequestError: bad-request; resource-constraint past `most` JIDs in a list.

        """
        default = prefs.get("default") or ""
        if default not in DEFAULTS:
            raise RequestError("bad-request", "modify", "default is always, never or roster")
        return cls(default, _jids(prefs, "always", most), _jids(prefs, "never", most))

    def xml(self) -> ET.Element:
        """Return `<prefs/>`."""
        prefs = ET.Element(f"{{{MAM}}}prefs", {"default": self.default})
        for name, jids in (("always", self.always), ("never", self.never)):
            inside = ET.SubElement(prefs, f"{{{MAM}}}{name}")
            for jid in jids:
                ET.SubElement(inside, f"{{{MAM}}}jid").text = jid
        return prefs


def _jids(prefs: ET.Element, name: str, most: int) -> tuple[str, ...]:
    found = prefs.findall(f"{{{MAM}}}{name}/{{{MAM}}}jid")
    if len(found) > most:
        raise RequestError("resource-constraint", "modify", f"A list holds at most {most} JIDs")
    return tuple(dict.fromkeys(prepared(one.text or "") for one in found))


def prepared(text: str) -> str:
    """Return a JID in its normal form.

    Raises:
        RequestError: jid-malformed.

    """
    try:
        jid = JID(text.strip())
    except InvalidJID:
        raise RequestError("jid-malformed", "modify", "This is no address") from None
    if not jid.full:
        raise RequestError("jid-malformed", "modify", "An address is missing")
    return jid.full
