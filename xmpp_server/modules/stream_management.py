"""XEP-0198: Stream Management: the elements of an established stream; resumption is the driver's and the registry's."""

from __future__ import annotations

from xmpp_server.core.host import Host
from xmpp_server.core.module import Module, Xep
from xmpp_server.core.session import Session
from xmpp_server.errors import Condition, StreamCondition, StreamError
from xmpp_server.streams.sm import parse_h
from xmpp_server.streams.sm_nonzas import enabled, failed
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import SM
from xmpp_server.xml.stanza import Stanza

TRUE = ("true", "1")


class StreamManagementModule(Module):
    """Answers `<enable/>`, `<r/>` and `<a/>`."""

    name = "stream_management"
    xeps = (Xep(198, "1.6.3"),)

    def register(self, host: Host) -> None:
        """Offer the feature and take the elements."""
        self._host = host
        host.hooks.stream_features.add(self.feature)
        host.on_nonza(f"{SM} enable", self.enable)
        host.on_nonza(f"{SM} r", self.request)
        host.on_nonza(f"{SM} a", self.answer)

    def feature(self, features: list[Element]) -> None:
        """Announce stream management (§3)."""
        features.append(Element("sm", SM))

    def enable(self, session: Session, stanza: Stanza) -> None:
        """Begin to count (§3); a second time is refused."""
        transport = session.transport
        if transport is None:
            return
        if session.sm is not None:
            transport.write(failed(Condition.UNEXPECTED_REQUEST))
            return
        resume = stanza.attrs.get("resume") in TRUE
        sm = self._host.sessions.manage(session, resume=resume, max_s=_seconds(stanza.attrs.get("max")))
        transport.write(enabled(sm.token, int(sm.timeout_s)) if sm.resumable else enabled())

    def request(self, session: Session, stanza: Stanza) -> None:
        """Answer with what is safe (§4)."""
        if session.sm is None:
            raise StreamError(StreamCondition.UNSUPPORTED_STANZA_TYPE, "Stream management is not enabled")
        session.sm.answer()

    def answer(self, session: Session, stanza: Stanza) -> None:
        """Take an acknowledgement (§4); a malformed one is a stream error."""
        if session.sm is None:
            raise StreamError(StreamCondition.UNSUPPORTED_STANZA_TYPE, "Stream management is not enabled")
        h = parse_h(stanza.attrs.get("h"))
        if h is None:
            raise StreamError(StreamCondition.POLICY_VIOLATION, "h is a number below 2**32")
        session.acknowledge(h)


def _seconds(text: str | None) -> float | None:
    """Read the client's preferred maximum; nonsense is no preference."""
    return float(text) if text and text.isascii() and text.isdigit() and len(text) < 9 else None
