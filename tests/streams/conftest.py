"""A host and a driver for streams under test: accounts in a dict, a clock that stands, no I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

import pytest

from xmpp_server.errors import Condition, SaslCondition, SaslError, StanzaError, StreamCondition, StreamError
from xmpp_server.jid import JID
from xmpp_server.sasl import registry
from xmpp_server.sasl.credentials import ScramKeys, derive
from xmpp_server.sasl.mechanism import (
    AnonymousQuery,
    Answer,
    CertificateQuery,
    CredentialsQuery,
    PasswordQuery,
    Query,
    SaslContext,
)
from xmpp_server.streams.c2s import C2SStream
from xmpp_server.streams.events import (
    Authenticated,
    AuthFailed,
    AuthQuery,
    BindRequest,
    Ended,
    RegisterRequest,
    ResumeRequest,
    StartTls,
    StreamEvent,
)
from xmpp_server.streams.policy import Channel, StreamLimits
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import CSI, REGISTER, REGISTER_FEATURE, SM, STREAM_ERRORS
from xmpp_server.xml.stanza import Stanza

DOMAIN = "im.example.com"
SALT = b"68da3408-4f4f-467f-912e-49f53f43d033"
NONCE = "e124695b-69a9-4de6-9c30-b51b3808c59e"
KEYS = derive("r0m30myr0m30", "SHA-1", SALT, 4096)
MECHANISMS = ("EXTERNAL", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-1", "PLAIN")

HEADER = (
    b"<?xml version='1.0'?><stream:stream to='im.example.com' version='1.0' xml:lang='en' xmlns='jabber:client'"
    b" xmlns:stream='http://etherx.jabber.org/streams'>"
)
STARTTLS = b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
#: juliet with the right password, and with a wrong one.
PLAIN = b"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGp1bGlldAByMG0zMG15cjBtMzA=</auth>"
WRONG = b"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGp1bGlldAByMG0zMA==</auth>"
BIND = b"<iq type='set' id='b1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>"
END = b"</stream:stream>"


@dataclass(frozen=True)
class Host:
    domain: str = DOMAIN
    tls_available: bool = True
    tls_required: bool = True
    allowed: tuple[str, ...] = MECHANISMS
    takes_strangers: bool = False

    def mechanisms(self, channel: Channel) -> tuple[str, ...]:
        return registry.offered(
            self.allowed,
            secure=channel.secure,
            channel_bindings=channel.bindings,
            certificate=channel.has_certificate,
        )

    def sasl_context(self, channel: Channel, offered: tuple[str, ...]) -> SaslContext:
        return SaslContext(
            domain=self.domain,
            secure=channel.secure,
            offered=offered,
            fake_salt_key=b"k",
            iterations=4096,
            channel_bindings=channel.bindings,
            nonce=lambda: NONCE,
            downgrade_protection=False,
        )

    @property
    def written(self) -> dict[tuple[object, ...], bytes]:
        return {}

    def registration(self) -> Sequence[Element]:
        return (Element("register", REGISTER_FEATURE),) if self.takes_strangers else ()

    def features(self) -> Sequence[Element]:
        return [Element("sm", SM), Element("csi", CSI)]


@dataclass
class Policy:
    hosts: dict[str, Host] = field(default_factory=lambda: {DOMAIN: Host()})
    limits: StreamLimits = field(default_factory=StreamLimits)
    default_domain: str = DOMAIN
    ids: int = 0

    def host(self, domain: str) -> Host | None:
        return self.hosts.get(domain)

    def stream_id(self) -> str:
        self.ids += 1
        return f"id{self.ids}"


class Driver:
    """Drives one stream as the server would, and answers its questions from `accounts`."""

    def __init__(self, policy: Policy | None = None) -> None:
        self.policy = policy or Policy()
        self.now = 1000.0
        self.stream = C2SStream(self.policy, self.now)
        self.events: list[StreamEvent] = []
        self.wire = b""
        #: Questions are left open if false.
        self.answering = True
        self.bindings = {"tls-exporter": b"x", "tls-server-end-point": b"y"}
        self.certificate_of: str | None = None
        self.sessions = {"gone": (Condition.ITEM_NOT_FOUND, 7), "no": (Condition.FEATURE_NOT_IMPLEMENTED, None)}

    def send(self, *data: bytes) -> bytes:
        """Feed the pieces and return what the server wrote meanwhile."""
        before = len(self.wire)
        for piece in data:
            self.take(self.stream.receive(piece, self.now))
        return self.wire[before:]

    def take(self, events: Iterable[StreamEvent]) -> None:
        """Obey events, in their order."""
        self.flush()
        for event in events:
            assert not self.over, "nothing follows Ended"
            self.events.append(event)
            self.obey(event)
        self.flush()

    def obey(self, event: StreamEvent) -> None:
        if not self.answering:
            return
        if isinstance(event, StartTls):
            self.handshake()
        elif isinstance(event, AuthQuery):
            self.take(self.stream.auth_answer(self.look_up(event.query), self.now))
        elif isinstance(event, RegisterRequest):
            self.take(self.stream.register_answer(self.form_for(event.iq), self.now))
        elif isinstance(event, BindRequest):
            self.bind(event.resource or "balcony")
        elif isinstance(event, ResumeRequest):
            self.resume(event.previd)

    def handshake(self) -> None:
        self.flush()
        self.stream.tls_established(self.bindings, self.certificate_of is not None)

    def look_up(self, query: Query) -> Answer:
        if isinstance(query, CredentialsQuery):
            return self.keys_of(query.username)
        if isinstance(query, PasswordQuery):
            if query.username == "broken":
                return SaslError(SaslCondition.TEMPORARY_AUTH_FAILURE)
            return (query.username, query.password) == ("juliet", "r0m30myr0m30")
        if isinstance(query, CertificateQuery):
            return self.certificate_of
        assert isinstance(query, AnonymousQuery)
        return "f3a9"

    def keys_of(self, username: str) -> ScramKeys | None:
        return KEYS if username == "juliet" else None

    def form_for(self, iq: Stanza) -> Element | None:
        if iq.type == "set":
            return None
        form = Element("query", REGISTER)
        form.add("username")
        return form

    def bind(self, resource: str) -> None:
        if resource == "taken":
            self.take(self.stream.bind_failed(StanzaError(Condition.CONFLICT), self.now))
        else:
            self.take(self.stream.bound(JID.of(self.stream.username, DOMAIN, resource)))

    def resume(self, previd: str) -> None:
        if previd in self.sessions:
            condition, h = self.sessions[previd]
            self.take(self.stream.resume_failed(condition, h, self.now))
        else:
            self.take(self.stream.resumed(5, JID.of("juliet", DOMAIN, "balcony")))

    def flush(self) -> None:
        self.wire += self.stream.outgoing()

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.take(self.stream.timeout(self.now))

    def close(self, error: StreamError | None = None) -> None:
        self.take(self.stream.close(self.now, error))

    def to_tls(self) -> Driver:
        self.send(HEADER)
        self.send(STARTTLS)
        self.send(HEADER)
        return self

    def to_authenticated(self) -> Driver:
        self.to_tls()
        self.send(PLAIN)
        self.send(HEADER)
        return self

    def to_bound(self) -> Driver:
        self.to_authenticated()
        self.send(BIND)
        assert self.stream.jid is not None
        return self

    def assert_ended(self, condition: StreamCondition) -> None:
        """Assert that the client was told of the error and that the stream is over."""
        assert self.over
        assert self.error is not None
        assert self.error.condition is condition
        assert f"<stream:error><{condition.value} xmlns='{STREAM_ERRORS}'" in self.wire.decode()
        assert self.wire.endswith(END)
        assert self.stream.closed
        assert self.stream.deadline is None

    @property
    def over(self) -> bool:
        return bool(self.events) and isinstance(self.events[-1], Ended)

    @property
    def error(self) -> StreamError | None:
        """The error with which the stream has ended."""
        last = self.events[-1]
        assert isinstance(last, Ended)
        return last.error

    @property
    def stanzas(self) -> list[Stanza]:
        return [event for event in self.events if isinstance(event, Stanza)]

    @property
    def outcomes(self) -> list[Authenticated | AuthFailed]:
        return [event for event in self.events if isinstance(event, Authenticated | AuthFailed)]


@pytest.fixture
def driver() -> Driver:
    return Driver()


@pytest.fixture
def make_driver() -> Callable[..., Driver]:
    """Make a driver for a host with other settings."""

    def make(limits: StreamLimits | None = None, **settings: object) -> Driver:
        host = replace(Host(), **settings)  # type: ignore[arg-type]
        return Driver(Policy({DOMAIN: host}, limits or StreamLimits()))

    return make
