"""A federation's policy and peers that speak raw XML, for streams under test: no I/O, a clock that stands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from xmpp_server.errors import StreamCondition, StreamError
from xmpp_server.streams.dialback import Pair
from xmpp_server.streams.events import Ended, StartTls
from xmpp_server.streams.policy import StreamLimits
from xmpp_server.streams.s2s import Purpose, Rules
from xmpp_server.streams.s2s_in import S2SInStream
from xmpp_server.streams.s2s_out import S2SOutStream
from xmpp_server.streams.stream import Events
from xmpp_server.xml.namespaces import STREAM_ERRORS
from xmpp_server.xml.stanza import Stanza

OURS, OTHER = "ours.example", "rooms.ours.example"
PEER, FOREIGN = "peer.example", "foreign.example"
SECRET = b"s3cr3tf0rd14lb4ck"
STARTTLS = b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
SASL = "xmlns='urn:ietf:params:xml:ns:xmpp-sasl'"
END = b"</stream:stream>"


def header(sender: str | None = PEER, target: str | None = OURS, more: str = "version='1.0'") -> bytes:
    addresses = "".join(f" {name}='{value}'" for name, value in (("from", sender), ("to", target)) if value is not None)
    return (
        "<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:db='jabber:server:dialback'"
        f" xmlns:stream='http://etherx.jabber.org/streams'{addresses} {more}>"
    ).encode()


def message(sender: str, target: str, name: str = "message") -> bytes:
    return f"<{name} from='{sender}' to='{target}'><body>hi</body></{name}>".encode()


def result(sender: str, target: str, key: str = "k", more: str = "") -> bytes:
    return f"<db:result from='{sender}' to='{target}'{more}>{key}</db:result>".encode()


def verify(sender: str, target: str, stream_id: str, key: str, more: str = "") -> bytes:
    return f"<db:verify from='{sender}' to='{target}' id='{stream_id}'{more}>{key}</db:verify>".encode()


@dataclass
class Policy:
    rules: Rules = field(default_factory=Rules)
    limits: StreamLimits = field(default_factory=StreamLimits)
    default_domain: str = OURS
    secret: bytes = SECRET
    blocked: frozenset[str] = frozenset()
    ids: int = 0

    def stream_id(self) -> str:
        self.ids += 1
        return f"id{self.ids}"

    def serves(self, domain: str) -> bool:
        return domain in (OURS, OTHER)

    def admits(self, remote: str, local: str) -> bool:
        return remote not in self.blocked


class _Driver:
    stream: S2SInStream | S2SOutStream

    def __init__(self) -> None:
        self.now = 0.0
        self.events: Events = []
        self.wire = b""

    def send(self, *data: bytes) -> bytes:
        """Give the stream bytes of the peer; return what it answers."""
        for each in data:
            self.take(self.stream.receive(each, self.now))
        return self.flush()

    def take(self, events: Events) -> None:
        self.events += events

    def flush(self) -> bytes:
        out = self.stream.outgoing()
        self.wire += out
        return out

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.take(self.stream.timeout(self.now))
        self.flush()

    def of(self, kind: type) -> list[object]:
        return [event for event in self.events if type(event) is kind]

    @property
    def stanzas(self) -> list[Stanza]:
        return [event for event in self.events if isinstance(event, Stanza)]

    @property
    def error(self) -> StreamError | None:
        """The error with which the stream has ended; it must have."""
        last = self.events[-1]
        assert isinstance(last, Ended), self.events
        return last.error

    def assert_ended(self, condition: StreamCondition) -> None:
        assert self.error is not None
        assert self.error.condition is condition, self.error
        assert f"<stream:error><{condition.value} xmlns='{STREAM_ERRORS}'" in self.wire.decode()
        assert self.wire.endswith(END)
        assert self.stream.closed


class Inbound(_Driver):
    """The receiving side, with a peer that may have a certificate."""

    def __init__(self, policy: Policy | None = None, certificate: Callable[[str], bool] | None = None) -> None:
        super().__init__()
        self.policy = policy or Policy()
        self.certificate = certificate
        self.stream: S2SInStream = S2SInStream(self.policy, self.now)

    def secure(self, sender: str | None = PEER, target: str | None = OURS) -> bytes:
        """Go as far as the features inside TLS; return them."""
        self.send(header(sender, target), STARTTLS)
        assert isinstance(self.events[-1], StartTls)
        self.stream.tls_established(self.certificate)
        return self.send(header(sender, target))


class Outbound(_Driver):
    """The initiating side."""

    def __init__(
        self,
        policy: Policy | None = None,
        purpose: Purpose = Purpose.STANZAS,
        *,
        trusted: bool = False,
        external: bool = True,
    ) -> None:
        super().__init__()
        self.policy = policy or Policy()
        self.trusted = trusted
        self.stream: S2SOutStream = S2SOutStream(self.policy, Pair(OURS, PEER), purpose, self.now, external=external)
        self.stream.start()
        self.flush()

    def secure(self, features: bytes) -> bytes:
        """Go as far as features inside TLS; return what is made of them."""
        self.send(header(PEER, OURS, "id='s1' version='1.0'"))
        self.send(b"<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>")
        self.send(b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
        assert isinstance(self.events[-1], StartTls)
        self.stream.tls_established(trusted=self.trusted)
        self.flush()
        return self.send(header(PEER, OURS, "id='s2' version='1.0'"), features)
