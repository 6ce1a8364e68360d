"""RFC 3921 §3: session establishment, which means nothing any more but is still asked for by old clients."""

from __future__ import annotations

from xmpp_server.core.host import Host
from xmpp_server.core.module import IqRequest, IqType, Module, To
from xmpp_server.errors import Condition, StanzaError
from xmpp_server.xml.namespaces import BIND, SESSION


class LegacySession(Module):
    """Answers `<session/>` with an empty result, and a second `<bind/>` with an error."""

    name = "legacy_session"

    def register(self, host: Host) -> None:
        """Answer wherever the client addresses it."""
        for whom in To:
            host.on_iq(IqType.SET, whom, f"{SESSION} session", self.answer)
        host.on_iq(IqType.SET, To.ACCOUNT, f"{BIND} bind", self.refuse)

    def answer(self, request: IqRequest) -> None:
        """Succeed: the session was there with the resource."""

    def refuse(self, request: IqRequest) -> None:
        """Refuse a second resource on a stream (RFC 6120 §7.1)."""
        raise StanzaError(Condition.NOT_ALLOWED, "This stream has its resource")
