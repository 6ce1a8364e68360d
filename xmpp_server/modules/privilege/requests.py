"""XEP-0356 §6: components send requests in the name of accounts, and get the answers."""

from __future__ import annotations

from functools import partial

from xmpp_server.core.forwarding import address, as_client
from xmpp_server.core.host import Host
from xmpp_server.core.module import IqRequest, Order
from xmpp_server.errors import Condition, StanzaError
from xmpp_server.stanzas import iq as iqs
from xmpp_server.stanzas.forward import Forwarded
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import CLIENT, PRIVILEGE
from xmpp_server.xml.stanza import Stanza

_TAG = f"{PRIVILEGE} privileged_iq"
#: Who is asked may take so long.
ANSWER_S = 120.0


class Requests:
    """Takes requests out of `<privileged_iq/>`, sends them as if the account had, and brings back the answers."""

    def __init__(self, host: Host) -> None:
        self._host = host
        host.hooks.iq_request.add(self.unwrap, Order.POLICY)

    def unwrap(self, request: IqRequest) -> bool:
        """Send the request inside, under an id of our own.

        Raises:
            StanzaError: forbidden; one of the conditions of §6.3 is not met.

        """
        if request.stanza.children[0] != _TAG:
            return False
        inner = self._checked(request)
        to = address(inner, "to")
        if to is None:
            if "to" in inner.attrs:
                raise StanzaError(Condition.JID_MALFORMED)
            to = request.to  # RFC 6120 §8.1.1.1: for the account itself
        ours = Element("iq", CLIENT, {**inner.attrs, "id": self._host.iqs.new_id()})
        ours.children = inner.children
        asked = Stanza.build(ours, request.to, to)
        self._host.iqs.send(asked, partial(self._answered, request, inner.get("id") or ""), ANSWER_S)
        return True

    def _checked(self, request: IqRequest) -> Element:
        """§6.3: every condition on which the request is forbidden."""
        component = self._host.router.components.find(request.sender.domainpart)
        inside = list(request.payload.elements())
        inner = inside[0] if len(inside) == 1 else None
        if component is None or request.account is None or request.to.is_domain or inner is None:
            raise StanzaError(Condition.FORBIDDEN)
        payloads = list(inner.elements())
        claimed = address(inner, "from")
        if (
            (inner.name, inner.ns) != ("iq", CLIENT)
            or inner.get("type") != request.type.value
            or ("from" in inner.attrs and claimed != request.to)
            or len(payloads) != 1
            or not component.grants.may_ask(payloads[0].ns, request.type.value)
        ):
            raise StanzaError(Condition.FORBIDDEN)
        return inner

    def _answered(self, request: IqRequest, ident: str, reply: Stanza | None) -> None:
        """Hand the answer over, error or result, with the id that the component has given."""
        router = self._host.router
        if reply is None:
            wait = router.reject(request.stanza, StanzaError(Condition.REMOTE_SERVER_TIMEOUT))
        else:
            inner = as_client(reply.element).copy()
            inner.attrs["id"] = ident
            privilege = Element("privilege", PRIVILEGE).append(Forwarded(inner).to_element())
            wait = router.route(iqs.result(request.stanza, privilege))
        if wait is not None:
            self._host.runtime.spawn(router.guard(request.stanza, wait), "privileged-iq")
