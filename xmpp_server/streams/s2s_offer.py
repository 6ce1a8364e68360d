"""The features of a stream that another server has opened (RFC 6120 §4.3.2)."""

from __future__ import annotations

from xmpp_server.streams import s2s
from xmpp_server.streams.s2s import Rules
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import DIALBACK_FEATURE, SASL, SERVER, SM, STREAM_LIMITS, TLS
from xmpp_server.xml.writer import serialize


def features(rules: Rules, *, secure: bool, certified: bool, external: bool, stanza_bytes: int) -> bytes:
    """Write <stream:features/>.

    Args:
        rules: What is asked of peers.
        secure: The stream is encrypted.
        certified: The peer has authenticated by its certificate.
        external: It could.
        stanza_bytes: The longest stanza that is taken (XEP-0478).

    """
    offers: list[Element] = []
    if not secure:
        starttls = Element("starttls", TLS)
        if rules.require_tls:
            starttls.add("required")
        offers.append(starttls)
    elif external and not certified:
        mechanisms = Element("mechanisms", SASL)
        mechanisms.add("mechanism", text=s2s.EXTERNAL)
        offers.append(mechanisms)
    if secure or not rules.require_tls:
        offer = Element("dialback", DIALBACK_FEATURE)
        offer.add("errors")
        offers.append(offer)
    if secure:
        offers.append(Element("sm", SM))
        if not certified:
            offers.append(Element("bidi", s2s.BIDI_FEATURE))
    limits = Element("limits", STREAM_LIMITS)
    limits.add("max-bytes", text=str(stanza_bytes))
    offers.append(limits)
    return b"<stream:features>%b</stream:features>" % b"".join(serialize(each, SERVER) for each in offers)
