"""RFC 6120: the client-to-server stream, without I/O: bytes and the time in, events and bytes out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, NoReturn, TypeAlias

from xmpp_server.errors import Condition, SaslCondition, SaslError, StanzaError, StreamCondition, StreamError
from xmpp_server.jid import JID
from xmpp_server.sasl import registry
from xmpp_server.sasl.mechanism import (
    Answer,
    Ask,
    Challenge,
    CredentialsQuery,
    Exchange,
    PasswordQuery,
    Step,
    Success,
)
from xmpp_server.stanzas.iq import iq_type
from xmpp_server.streams import answers, binding, features, header, registration, sasl_profile, sm, sm_nonzas
from xmpp_server.streams.events import (
    Authenticated,
    AuthFailed,
    AuthQuery,
    BindRequest,
    RegisterRequest,
    ResumeRequest,
    StartTls,
)
from xmpp_server.streams.policy import C2SPolicy, Channel, HostPolicy
from xmpp_server.streams.stream import Events, State, Stream
from xmpp_server.xml.element import Element, tag
from xmpp_server.xml.namespaces import CLIENT, CSI, SASL, SM, TLS
from xmpp_server.xml.scanner import StreamHeader
from xmpp_server.xml.stanza import Stanza

_BOUND = State.BOUND
_STANZAS = frozenset({"message", "presence", "iq"})
_NOTHING: Final[frozenset[str]] = frozenset()
#: First-level elements that a bound stream passes on, by namespace.
_PASSED: Mapping[str, frozenset[str]] = MappingProxyType(
    {CLIENT: _STANZAS, SM: frozenset({"r", "a", "enable"}), CSI: frozenset({"active", "inactive"})}
)

_PROCEED = f"<proceed xmlns='{TLS}'/>".encode()
_TLS_FAILURE = f"<failure xmlns='{TLS}'/>".encode()


class C2SStream(Stream):
    """The server's side of one connection of a client, from the first byte to the last."""

    __slots__ = (
        "_exchange",
        "_form_given",
        "_previd",
        "_request",
        "channel",
        "claimed",
        "lang",
        "mechanism",
        "username",
    )
    _policy: C2SPolicy

    def __init__(self, policy: C2SPolicy, now: float, secure: bool = False) -> None:
        super().__init__(policy, now)
        self._exchange: Exchange | None = None
        #: The iq that asks for a resource or an account, and the session to resume, while these questions are open.
        self._request: Stanza | None = None
        self._previd = ""
        self._form_given = False
        self.channel = Channel(secure)
        #: The default language of the client's stanzas (RFC 6120 §4.7.4).
        self.lang: str | None = None
        #: Whom the client tries to be in the current exchange, and how.
        self.claimed: str | None = None
        self.mechanism = ""
        #: The authenticated localpart.
        self.username: str | None = None

    def receive(self, data: bytes | memoryview, now: float) -> Events:
        """Take bytes of the client."""
        if self._state is not _BOUND:
            return self._negotiate(data, now)
        events = self._scanner.feed(data)
        for event in events:
            if type(event) is not Stanza or event.name not in _PASSED.get(event.ns, _NOTHING):
                return self._sift(events)
        return events  # type: ignore[return-value]  # nothing but stanzas, as the loop saw

    def tls_established(self, bindings: Mapping[str, bytes], has_certificate: bool) -> None:
        """Begin anew inside TLS: after `StartTls`, or before the first byte on a direct TLS connection.

        What was learnt in clear is forgotten (RFC 6120 §5.4.3.3). `bindings` are channel binding data by type.
        """
        fresh = self._state is State.HEADER and self.username is None and not self._scanner.pending
        if self._state is not State.HANDSHAKE and not fresh:
            return
        self.channel = Channel(True, bindings, has_certificate)
        self.host = None
        self._scanner = self._new_scanner()
        self._await_header()

    def auth_answer(self, value: Answer, now: float) -> Events:
        """Answer the open `AuthQuery`; a `SaslError` makes the exchange fail with it."""
        events: Events = []
        if self._state is State.ASKED and (exchange := self._exchange) is not None:
            self._attempt(lambda: self._take_step(exchange.answer(value), events), events)
            self._go_on(now, events)
        return events

    def register_answer(self, value: Element | StanzaError | None, now: float) -> Events:
        """Answer the open `RegisterRequest` with a form, with nothing but success, or with an error.

        The first form postpones the `deadline`.
        """
        events: Events = []
        if self._state is State.REGISTERING and (request := self._request) is not None:
            self._attempt(lambda: self._answer_registration(request, value), events)
            self._go_on(now, events)
        return events

    def bound(self, jid: JID) -> Events:
        """Answer the open `BindRequest`: the resource is `jid`'s. Returns what the client has sent meanwhile."""
        events: Events = []
        if self._state is State.BINDING and self._request is not None:
            self._out += binding.result(self._request, jid)
            self._establish(jid, events)
        return events

    def bind_failed(self, error: StanzaError, now: float) -> Events:
        """Answer the open `BindRequest`: the client may try again (RFC 6120 §7.6.2)."""
        events: Events = []
        if self._state is State.BINDING and (request := self._request) is not None:
            self._attempt(lambda: self._refuse_binding(request, error), events)
            self._go_on(now, events)
        return events

    def resumed(self, h: int, jid: JID) -> Events:
        """Answer the open `ResumeRequest`: the session of `jid`, which had handled `h` stanzas, goes on here.

        Stanzas to send again follow `outgoing()`. Returns what the client has sent meanwhile.
        """
        events: Events = []
        if self._state is State.RESUMING:
            self._out += sm_nonzas.resumed(self._previd, h)
            self._establish(jid, events)
        return events

    def resume_failed(self, condition: Condition, h: int | None, now: float) -> Events:
        """Answer the open `ResumeRequest`: the client may bind instead; `h` if the session is known but too old."""
        events: Events = []
        if self._state is State.RESUMING:
            self._state = State.AUTHENTICATED
            self._attempt(lambda: self._refuse(sm_nonzas.failed(condition, h)), events)
            self._go_on(now, events)
        return events

    # negotiation

    def _transition(self, element: Stanza, events: Events) -> None:
        _TRANSITIONS.get((self._state, tag(element.ns, element.name)), C2SStream._unexpected)(self, element, events)

    def _passes(self, element: Stanza) -> bool:
        return element.name in _PASSED.get(element.ns, _NOTHING)

    def _open(self, event: StreamHeader) -> None:
        """Answer a stream header: with ours first, whatever is wrong with it (RFC 6120 §4.9.1.2).

        There are three in a connection at most: the scanner takes one as such only after TLS or SASL has succeeded.
        """
        authenticated_at = self.host if self.username is not None else None
        domain = header.addressed_domain(event)
        self.host = None if domain is None else self._policy.host(domain)
        initiator = header.initiator(event)
        self._write_header(initiator)
        header.check_namespace(event)
        if self.host is None:
            raise StreamError(StreamCondition.HOST_UNKNOWN)
        header.check_version(event)
        self.lang = header.language(event)
        if authenticated_at is None:
            self._out += features.before_authentication(self.host, self.channel, self._limits)
            self._state = State.FEATURES
            return
        self._check_same_account(authenticated_at, initiator)
        self._out += features.after_authentication(self.host, self._limits)
        self._state = State.AUTHENTICATED

    def _check_same_account(self, host: HostPolicy, initiator: JID | None) -> None:
        """Refuse to serve under a host or a name other than the authenticated one (RFC 6120 §4.7.1, §4.9.3.9)."""
        if self.host is None or self.host.domain != host.domain:
            raise StreamError(StreamCondition.HOST_UNKNOWN, "You have authenticated at another host")
        if initiator is None or initiator.localpart is None or self.mechanism == "ANONYMOUS":
            return
        if (initiator.localpart, initiator.domainpart) != (self.username, host.domain):
            raise StreamError(StreamCondition.INVALID_FROM, "You have authenticated as somebody else")

    def _start_tls(self, _: Stanza, events: Events) -> None:
        assert self.host is not None  # noqa: S101 - features were offered
        if not features.offers_starttls(self.host, self.channel):
            self._refuse_tls(_, events)
            return
        self._scanner.skip_whitespace()  # COMPAT(go-sendxmpp 0.5.6): a line feed is behind it, in spite of §5.3.3
        if self._scanner.pending:  # RFC 6120 §5.3.3: they would be taken for what the client sends inside TLS
            raise StreamError(StreamCondition.POLICY_VIOLATION, "Nothing may follow <starttls/>")
        self._out += _PROCEED
        self._state = State.HANDSHAKE
        events.append(StartTls())

    def _refuse_tls(self, _: Stanza, events: Events) -> None:
        """RFC 6120 §5.4.2.2: answer with a failure and close the stream."""
        self._out += _TLS_FAILURE + header.CLOSING_TAG
        self._end(StreamError(StreamCondition.POLICY_VIOLATION, "<starttls/> where TLS is not offered"), events)

    # authentication

    def _start_sasl(self, auth: Stanza, events: Events) -> None:
        assert self.host is not None  # noqa: S101 - features were offered
        self.claimed = None
        self.mechanism = auth.attrs.get("mechanism", "")
        offered = features.offered_mechanisms(self.host, self.channel)
        context = self.host.sasl_context(self.channel, offered)
        self._exchange = registry.create(self.mechanism, context)
        self._take_step(self._exchange.respond(sasl_profile.initial_response(auth)), events)

    def _continue_sasl(self, response: Stanza, events: Events) -> None:
        assert self._exchange is not None  # noqa: S101 - the state says so
        self._take_step(self._exchange.respond(sasl_profile.response(response)), events)

    def _abort_sasl(self, _: Stanza, events: Events) -> None:
        raise SaslError(SaslCondition.ABORTED)

    def _misplaced_sasl(self, _: Stanza, events: Events) -> None:
        raise SaslError(SaslCondition.MALFORMED_REQUEST, "Not at this point of the exchange")

    def _take_step(self, step: Step, events: Events) -> None:
        if isinstance(step, Challenge):
            self._out += sasl_profile.challenge(step.data)
            self._state = State.SASL
        elif isinstance(step, Ask):
            if isinstance(step.query, CredentialsQuery | PasswordQuery):
                self.claimed = step.query.username
            self._state = State.ASKED
            events.append(AuthQuery(step.query))
        else:
            self._authenticate(step, events)

    def _authenticate(self, success: Success, events: Events) -> None:
        """Tell the client, and expect a new stream with larger limits (RFC 6120 §6.4.6)."""
        self._out += sasl_profile.success(success.data)
        self.username = success.username
        self._exchange = None
        self._refusals = 0
        self._scanner.reset()
        self._scanner.limits = self._limits.after_auth
        self._await_header()
        events.append(Authenticated(success.username, self.mechanism))

    def _authentication_failed(self, failure: SaslError, events: Events) -> None:
        self._exchange = None
        self._state = State.FEATURES
        events.append(AuthFailed(self.claimed, failure.condition))
        self._refuse(sasl_profile.failure(failure))

    # registration

    def _register(self, iq: Stanza, events: Events) -> None:
        """Take a stranger's request, also where registration is closed: whoever answers it says so."""
        assert self.host is not None  # noqa: S101 - features were offered
        secure = features.takes_passwords(self.host, self.channel)
        if not secure or not registration.is_request(iq, self.host.domain):
            self._unexpected(iq, events)
        try:
            iq_type(iq)
        except StanzaError as error:
            self._refuse(answers.refusal(iq, error))
            return
        self._request = iq
        self._state = State.REGISTERING
        events.append(RegisterRequest(iq))

    def _answer_registration(self, request: Stanza, value: Element | StanzaError | None) -> None:
        self._request = None
        self._state = State.FEATURES
        if isinstance(value, StanzaError):
            self._refuse(answers.refusal(request, value))
        else:
            self._out += answers.result(request, value)
        if isinstance(value, Element) and self.deadline is not None and not self._form_given:
            self._form_given = True
            self.deadline += self._limits.form_s

    # binding and resumption

    def _bind(self, iq: Stanza, events: Events) -> None:
        if not binding.is_request(iq):
            self._unexpected(iq, events)
        self._request = iq
        try:
            resource = binding.requested_resource(iq)
        except StanzaError as error:
            self._refuse_binding(iq, error)
            return
        self._state = State.BINDING
        events.append(BindRequest(resource))

    def _refuse_binding(self, request: Stanza, error: StanzaError) -> None:
        self._request = None
        self._state = State.AUTHENTICATED
        self._refuse(answers.refusal(request, error))

    def _resume(self, resume: Stanza, events: Events) -> None:
        self._previd = resume.attrs.get("previd", "")
        h = sm.parse_h(resume.attrs.get("h"))
        if h is None or not self._previd:
            self._refuse(sm_nonzas.failed(Condition.BAD_REQUEST))
            return
        self._state = State.RESUMING
        events.append(ResumeRequest(self._previd, h))

    def _establish(self, jid: JID, events: Events) -> None:
        """From here on the stream is the session's."""
        self.jid = jid
        self._state = State.BOUND
        self._request = None
        self._previd = ""
        self._refusals = 0
        self.deadline = None
        self._scanner.step = False
        events += self._sift(self._scanner.feed(self._take_held()))

    # what comes out of place

    def _misplaced_sm(self, _: Stanza, events: Events) -> None:
        """XEP-0198 §3: before a resource is bound, or resumption after."""
        self._refuse(sm_nonzas.failed(Condition.UNEXPECTED_REQUEST))

    def _ignore(self, _: Stanza, events: Events) -> None:
        """Drop an element that needs no answer."""

    def _unexpected(self, element: Stanza, events: Events) -> NoReturn:
        if element.ns == CLIENT and element.name in _STANZAS:  # RFC 6120 §4.9.3.12
            raise StreamError(StreamCondition.NOT_AUTHORIZED, "Authenticate and bind a resource first")
        raise StreamError(StreamCondition.UNSUPPORTED_STANZA_TYPE)


Transition: TypeAlias = Callable[[C2SStream, Stanza, Events], None]

_STARTTLS = tag(TLS, "starttls")
_AUTH, _RESPONSE, _ABORT = tag(SASL, "auth"), tag(SASL, "response"), tag(SASL, "abort")
_IQ = tag(CLIENT, "iq")
_ENABLE, _RESUME = tag(SM, "enable"), tag(SM, "resume")
_REQUEST, _ACKNOWLEDGE = tag(SM, "r"), tag(SM, "a")
_ACTIVE, _INACTIVE = tag(CSI, "active"), tag(CSI, "inactive")

#: The stream's state machine. An element without an entry is `_unexpected`; in BOUND this is about what is not
#: passed on to the session.
_TRANSITIONS: Mapping[tuple[State, str], Transition] = MappingProxyType(
    {
        (State.FEATURES, _STARTTLS): C2SStream._start_tls,
        (State.FEATURES, _AUTH): C2SStream._start_sasl,
        (State.FEATURES, _RESPONSE): C2SStream._misplaced_sasl,
        (State.FEATURES, _ABORT): C2SStream._misplaced_sasl,
        (State.FEATURES, _IQ): C2SStream._register,
        (State.FEATURES, _ENABLE): C2SStream._misplaced_sm,
        (State.FEATURES, _RESUME): C2SStream._misplaced_sm,
        (State.SASL, _STARTTLS): C2SStream._refuse_tls,
        (State.SASL, _AUTH): C2SStream._misplaced_sasl,
        (State.SASL, _RESPONSE): C2SStream._continue_sasl,
        (State.SASL, _ABORT): C2SStream._abort_sasl,
        (State.AUTHENTICATED, _STARTTLS): C2SStream._refuse_tls,
        (State.AUTHENTICATED, _IQ): C2SStream._bind,
        (State.AUTHENTICATED, _RESUME): C2SStream._resume,
        (State.AUTHENTICATED, _ENABLE): C2SStream._misplaced_sm,
        (State.AUTHENTICATED, _REQUEST): C2SStream._misplaced_sm,
        (State.AUTHENTICATED, _ACKNOWLEDGE): C2SStream._ignore,
        (State.AUTHENTICATED, _ACTIVE): C2SStream._ignore,
        (State.AUTHENTICATED, _INACTIVE): C2SStream._ignore,
        (State.BOUND, _STARTTLS): C2SStream._refuse_tls,
        (State.BOUND, _RESUME): C2SStream._misplaced_sm,
    }
)
