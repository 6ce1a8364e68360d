"""XEP-0114: the stream of a component."""

from __future__ import annotations

from hashlib import sha1
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xmpp_server.errors import SaslCondition, StreamCondition, StreamError
from xmpp_server.streams.component import ComponentStream
from xmpp_server.streams.events import Authenticated, AuthFailed, Ended, StreamEvent
from xmpp_server.streams.policy import StreamLimits
from xmpp_server.xml.stanza import Stanza

DOMAIN = "plays.shakespeare.lit"
HEADER = (
    f"<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' to='{DOMAIN}'>"
).encode()
PROOF = sha1(b"3BF96D32secret", usedforsecurity=False).hexdigest()
HANDSHAKE = f"<handshake>{PROOF}</handshake>".encode()
MESSAGE = f"<message from='{DOMAIN}' to='romeo@shakespeare.lit'><body>hi</body></message>".encode()
END = b"</stream:stream>"


class Policy:
    limits = StreamLimits()
    default_domain = "shakespeare.lit"

    def stream_id(self) -> str:
        return "3BF96D32"

    def secret(self, domain: str) -> str | None:
        return "secret" if domain == DOMAIN else None


class Peer:
    """A component at the other end."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.stream = ComponentStream(Policy(), self.now)
        self.events: list[StreamEvent] = []

    def sends(self, *pieces: bytes) -> bytes:
        heard = b""
        for piece in pieces:
            self.events += self.stream.receive(piece, self.now)
            heard += self.stream.outgoing()
        return heard

    @property
    def condition(self) -> StreamCondition | None:
        last = self.events[-1]
        assert isinstance(last, Ended)
        return None if last.error is None else last.error.condition


@pytest.fixture
def peer() -> Peer:
    return Peer()


def test_the_server_answers_in_the_name_of_the_component(peer: Peer) -> None:
    assert peer.sends(HEADER) == (
        b"<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept'"
        b" xmlns:stream='http://etherx.jabber.org/streams' from='plays.shakespeare.lit' id='3BF96D32'>"
    )
    assert peer.stream.domain == DOMAIN
    assert peer.stream.jid is None


def test_a_right_handshake_is_acknowledged(peer: Peer) -> None:
    peer.sends(HEADER)
    assert peer.sends(HANDSHAKE) == b"<handshake/>"
    assert peer.events == [Authenticated(DOMAIN, "handshake")]
    assert peer.stream.jid == DOMAIN
    assert peer.stream.deadline is None


@pytest.mark.parametrize("ns", ["jabber:component:accept", "jabber:client"])
def test_a_handshake_with_an_explicit_namespace_or_white_space(peer: Peer, ns: str) -> None:
    peer.sends(HEADER)
    assert peer.sends(f"<handshake xmlns='{ns}'>\n {PROOF.upper()} </handshake>".encode()) == b"<handshake/>"


@pytest.mark.parametrize("proof", ["", "0" * 40, PROOF[:-1], "é"])
def test_a_wrong_handshake_ends_the_stream(peer: Peer, proof: str) -> None:
    peer.sends(HEADER)
    heard = peer.sends(f"<handshake>{proof}</handshake>".encode(), HANDSHAKE)
    assert b"<not-authorized xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>" in heard
    assert heard.endswith(END)
    assert peer.events[0] == AuthFailed(DOMAIN, SaslCondition.NOT_AUTHORIZED)
    assert peer.condition is StreamCondition.NOT_AUTHORIZED
    assert peer.stream.jid is None


@pytest.mark.parametrize(
    ("header", "condition"),
    [
        (HEADER.replace(b"plays", b"others"), StreamCondition.HOST_UNKNOWN),
        (HEADER.replace(b" to='plays.shakespeare.lit'", b""), StreamCondition.HOST_UNKNOWN),
        (HEADER.replace(b"'plays.", b"'me@plays."), StreamCondition.HOST_UNKNOWN),
        (HEADER.replace(b"jabber:component:accept", b"jabber:client"), StreamCondition.INVALID_NAMESPACE),
        (HEADER.replace(b"jabber:component:accept", b"jabber:component:connect"), StreamCondition.INVALID_NAMESPACE),
    ],
)
def test_a_header_that_is_not_for_us(peer: Peer, header: bytes, condition: StreamCondition) -> None:
    heard = peer.sends(header)
    assert heard.startswith(b"<?xml version='1.0'?><stream:stream ")  # RFC 6120 §4.9.1.2
    assert heard.endswith(END)
    assert peer.condition is condition


def test_no_stanza_before_the_handshake(peer: Peer) -> None:
    peer.sends(HEADER)
    peer.sends(MESSAGE)
    assert peer.condition is StreamCondition.NOT_AUTHORIZED


def test_something_else_instead_of_the_handshake(peer: Peer) -> None:
    peer.sends(HEADER)
    peer.sends(b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
    assert peer.condition is StreamCondition.UNSUPPORTED_STANZA_TYPE


def test_only_stanzas_after_the_handshake(peer: Peer) -> None:
    peer.sends(HEADER, HANDSHAKE, MESSAGE, b"<presence/><iq/>")
    assert [event.name for event in peer.events if isinstance(event, Stanza)] == ["message", "presence", "iq"]
    peer.sends(HANDSHAKE)
    assert peer.condition is StreamCondition.UNSUPPORTED_STANZA_TYPE


def test_what_is_large_passes_only_after_the_handshake() -> None:
    large = MESSAGE.replace(b"hi", b"x" * 20_000)
    peer = Peer()
    peer.sends(HEADER, b"<handshake>" + b"x" * 20_000 + b"</handshake>")
    assert peer.condition is StreamCondition.POLICY_VIOLATION
    peer = Peer()
    peer.sends(HEADER, HANDSHAKE, large)
    assert len([event for event in peer.events if isinstance(event, Stanza)]) == 1


def test_the_handshake_has_its_time(peer: Peer) -> None:
    peer.sends(HEADER)
    peer.now += 60
    peer.events += peer.stream.timeout(peer.now)
    assert peer.condition is StreamCondition.CONNECTION_TIMEOUT


def test_either_side_closes(peer: Peer) -> None:
    peer.sends(HEADER, HANDSHAKE)
    assert peer.sends(END) == END
    assert peer.condition is None
    other = Peer()
    other.sends(HEADER, HANDSHAKE)
    other.events += other.stream.close(other.now, StreamError(StreamCondition.SYSTEM_SHUTDOWN))
    assert other.stream.outgoing().endswith(END)
    other.sends(END)
    assert other.condition is StreamCondition.SYSTEM_SHUTDOWN


@given(st.lists(st.integers(0, 500), max_size=12))
def test_chunking_changes_nothing(cuts: list[int]) -> None:
    data = HEADER + HANDSHAKE + MESSAGE + b" <iq type='get'/>" + END
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    peer = Peer()
    heard = peer.sends(*(data[start:end] for start, end in pairwise(edges)))
    assert heard.endswith(b"<handshake/>" + END)
    kinds = [type(event).__name__ for event in peer.events]
    assert kinds == ["Authenticated", "Stanza", "Stanza", "Ended"]
