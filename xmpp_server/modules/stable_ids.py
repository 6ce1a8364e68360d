"""XEP-0359: Unique and Stable Stanza IDs: each message gets the account's id for it; forged ones are stripped."""

from __future__ import annotations

from xmpp_server.core.host import Host
from xmpp_server.core.module import Inbound, Module, Order, Xep
from xmpp_server.errors import Condition, StanzaError
from xmpp_server.im.offline import keeping
from xmpp_server.jid import JID, JIDMalformed
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import SID
from xmpp_server.xml.stanza import Stanza, has_grown

STANZA_ID = f"{SID} stanza-id"


class StableIds(Module):
    """Stamps what is worth keeping with `<stanza-id/>`."""

    name = "stable_ids"
    xeps = (Xep(359, "0.7.0"),)
    account_features = (SID,)

    def register(self, host: Host) -> None:
        """Annotate messages on their way to an account."""
        self._host = host
        host.hooks.message_in.add(self.annotate, Order.ANNOTATE)

    def annotate(self, event: Inbound) -> None:
        """Replace the message by a copy with the id, if it is of a kind to keep (XEP-0359 §4)."""
        stanza, by = event.stanza, event.account.jid
        if STANZA_ID in stanza.children:
            stanza = strip_ids(stanza, by)
        if keeping(stanza)[0]:
            ident = self._host.ids.new()
            extra = b"<stanza-id xmlns='urn:xmpp:sid:0' by='%s' id='%s'/>" % (by.encoded, ident.encode())
            stanza = stanza.annotated(extra, STANZA_ID)
            stanza.stable_id = ident
        event.stanza = stanza


def strip_ids(stanza: Stanza, by: JID) -> Stanza:
    """Return a copy without the ids that claim to be given by `by`, in whatever spelling (XEP-0359 §6).

    Raises:
        StanzaError: policy-violation; what is left is far longer, written anew.

    """
    element = stanza.element.copy()
    element.children = [child for child in element.children if not _is_forged(child, by)]
    copy = Stanza.build(element, stanza.sender, stanza.to)
    if has_grown(stanza.wire, copy.wire):
        raise StanzaError(Condition.POLICY_VIOLATION, "Too many long namespaces", echo=False)
    copy.receipt = stanza.receipt
    return copy


def _is_forged(child: Element | str, by: JID) -> bool:
    if not isinstance(child, Element) or child.tag != STANZA_ID:
        return False
    try:
        return JID.parse(child.get("by") or "") == by
    except JIDMalformed:
        return True  # it names nobody: whose it seems to be is left to the client's imagination
