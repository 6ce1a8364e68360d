"""RFC 6120 §4.3.2: what is offered on which channel."""

from __future__ import annotations

import pytest

from tests.streams.conftest import Host
from xmpp_server.streams import features
from xmpp_server.streams.policy import Channel, StreamLimits
from xmpp_server.xml.element import Element
from xmpp_server.xml.parser import parse

CLEAR = Channel()
TLS = Channel(True, {"tls-exporter": b"x"})
LIMITS = StreamLimits(idle_s=300)


def offered(written: bytes) -> dict[str, Element]:
    return {element.name: element for element in parse(written).elements()}


@pytest.mark.parametrize(
    ("host", "channel", "names"),
    [
        (Host(), CLEAR, ["starttls", "limits"]),
        (Host(tls_required=False), CLEAR, ["starttls", "mechanisms", "limits"]),
        (Host(tls_required=False, tls_available=False), CLEAR, ["mechanisms", "limits"]),
        (Host(tls_available=False), CLEAR, ["limits"]),
        (Host(), Channel(True), ["mechanisms", "limits"]),
        (Host(), TLS, ["mechanisms", "sasl-channel-binding", "limits"]),
        (Host(allowed=()), TLS, ["limits"]),
        (Host(allowed=("SCRAM-SHA-1", "PLAIN")), TLS, ["mechanisms", "limits"]),
        (Host(takes_strangers=True), CLEAR, ["starttls", "limits"]),
        (Host(takes_strangers=True, tls_required=False), CLEAR, ["starttls", "mechanisms", "register", "limits"]),
        (Host(takes_strangers=True), Channel(True), ["mechanisms", "register", "limits"]),
    ],
)
def test_before_authentication(host: Host, channel: Channel, names: list[str]) -> None:
    written = offered(features.before_authentication(host, channel, LIMITS))
    assert list(written) == names
    assert [child.text for child in written["limits"].elements()] == ["10000"]
    if "starttls" in written:
        assert bool(written["starttls"].children) == host.tls_required


def test_after_authentication() -> None:
    written = offered(features.after_authentication(Host(), LIMITS))
    assert list(written) == ["bind", "session", "sm", "csi", "limits"]
    assert written["session"].first is not None
    assert written["session"].first.name == "optional"
    assert [child.text for child in written["limits"].elements()] == ["262144", "300"]
