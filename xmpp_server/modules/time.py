"""XEP-0202: Entity Time."""

from __future__ import annotations

from xmpp_server.core.host import Host
from xmpp_server.core.module import IqRequest, IqType, Module, To, Xep
from xmpp_server.stanzas.delay import format_datetime
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import TIME


class EntityTime(Module):
    """Tells the time of the server, in UTC."""

    name = "time"
    xeps = (Xep(202, "2.0"),)
    features = (TIME,)

    def register(self, host: Host) -> None:
        """Answer the query."""
        self._host = host
        host.on_iq(IqType.GET, To.SERVER, f"{TIME} time", self.answer)

    def answer(self, request: IqRequest) -> Element:
        """Return the time (§2)."""
        reply = Element("time", TIME)
        reply.add("tzo", text="+00:00")
        reply.add("utc", text=format_datetime(self._host.utcnow()))
        return reply
