"""XEP-0356 §5: components send messages in the name of the host and of its accounts."""

from __future__ import annotations

from xmpp_server.core.forwarding import address, wrapped
from xmpp_server.core.hooks import Verdict
from xmpp_server.core.host import Host
from xmpp_server.core.module import Order
from xmpp_server.errors import Condition, StanzaError
from xmpp_server.xml.namespaces import PRIVILEGE
from xmpp_server.xml.stanza import Stanza

_WRAPPER = ("privilege", PRIVILEGE)
_TAG = f"{PRIVILEGE} privilege"


class Messages:
    """Takes messages out of `<privilege/>` and sends them as if the host had made them."""

    def __init__(self, host: Host) -> None:
        self._host = host
        host.hooks.server_message.add(self.unwrap, Order.POLICY)

    def unwrap(self, stanza: Stanza) -> Verdict:
        """Send the message inside (§5.3).

        Raises:
            StanzaError: forbidden; it is not granted, or not the host's to send (§5.1).

        """
        if _TAG not in stanza.children or stanza.type == "error":
            return False
        sender = stanza.sender
        component = None if sender is None else self._host.router.components.find(sender.domainpart)
        if component is None or not component.grants.message:
            raise StanzaError(Condition.FORBIDDEN)
        inner = wrapped(stanza, _WRAPPER)
        if inner is None or inner.name != "message":
            raise StanzaError(Condition.BAD_REQUEST, "There is no message inside")
        claimed, to = address(inner, "from"), address(inner, "to")
        if claimed is None or claimed.resourcepart is not None or claimed.domainpart != self._host.name:
            raise StanzaError(Condition.FORBIDDEN, "Only for bare addresses of this server")
        if to is None:
            raise StanzaError(Condition.BAD_REQUEST, "The message inside has no address")
        message = Stanza.build(inner, claimed, to)
        message.receipt = stanza.receipt
        wait = self._host.router.route(message)
        return True if wait is None else self._host.router.guard(message, wait)
