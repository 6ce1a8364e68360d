"""RFC 6120, XEP-0178, XEP-0220: a stream that we open to another server, without I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum, auto
from types import MappingProxyType
from typing import NoReturn, TypeAlias

from xmpp_server.errors import SaslError, StreamCondition, StreamError
from xmpp_server.jid import JID, JIDMalformed
from xmpp_server.streams import dialback, header, s2s, sasl_profile
from xmpp_server.streams.dialback import Pair, Verdict
from xmpp_server.streams.events import StartTls
from xmpp_server.streams.s2s import FederationPolicy, Purpose
from xmpp_server.streams.s2s_events import Claimed, Ready, Verified
from xmpp_server.streams.stream import Events, State, Stream
from xmpp_server.xml.element import Element, tag
from xmpp_server.xml.namespaces import CLIENT, DIALBACK, DIALBACK_FEATURE, SASL, SM, STREAM, TLS
from xmpp_server.xml.scanner import StreamHeader
from xmpp_server.xml.stanza import Stanza

#: Questions to an authoritative server that are open on one stream; for more the oldest are given up.
OPEN_QUESTIONS = 100
#: Pairs of domains on one stream, with those that are claimed.
PAIRS = 200

_STREAM_ID_CHARACTERS = 1024
_BOUND = State.BOUND
_BIDI = f"<bidi xmlns='{s2s.BIDI}'/>".encode()


class _Phase(Enum):
    """What we wait for while the stream is negotiated."""

    FEATURES = auto()
    PROCEED = auto()
    SASL = auto()
    DIALBACK = auto()
    READY = auto()


class S2SOutStream(Stream):
    """The initiating server's side of one stream, from `local` to `remote`.

    With `Purpose.VERIFY` it is ready without anybody having been authenticated.
    """

    __slots__ = (
        "_acknowledges",
        "_authenticated",
        "_claims",
        "_doubted",
        "_external",
        "_id",
        "_knows_dialback",
        "_phase",
        "_purpose",
        "_questions",
        "_reports_errors",
        "_trusted",
        "bidi",
        "most_bytes",
        "must_encrypt",
        "pair",
        "pairs",
    )
    _policy: FederationPolicy

    def __init__(
        self, policy: FederationPolicy, pair: Pair, purpose: Purpose, now: float, *, external: bool = True
    ) -> None:
        """Begin; without `external` the peer is not asked to believe our certificate."""
        super().__init__(policy, now)
        self.pair = pair
        #: Whatever the policy says, there must be TLS.
        self.must_encrypt = policy.rules.require_tls
        self._external = external
        #: The peer was shown our certificate, and has not said that it believes us.
        self._doubted = False
        #: All pairs that the peer takes stanzas of: `pair`, and those that were claimed later.
        self.pairs: set[Pair] = set()
        self._claims: set[Pair] = set()
        self._purpose = purpose
        self._phase = _Phase.FEATURES
        self._id = ""
        #: None in clear; then whether the certificate proves the peer's domain.
        self._trusted: bool | None = None
        self._authenticated = False
        self._acknowledges = False
        #: The longest stanza that the peer takes; if it does not tell, as long as we would.
        self.most_bytes = self._limits.after_auth.stanza_bytes
        #: We take stanzas on this stream, too (XEP-0288).
        self.bidi = False
        #: The header declares the namespace of dialback: what servers did before features told of it.
        self._knows_dialback = False
        #: A claim that fails is answered with an error, and does not end the stream (XEP-0220 §2.4).
        self._reports_errors = False
        self._questions: dict[tuple[Pair, str], None] = {}

    @property
    def secure(self) -> bool:
        """Whether the stream is encrypted."""
        return self._trusted is not None

    @property
    def trusted(self) -> bool:
        """Whether the peer's certificate proves its domain."""
        return bool(self._trusted)

    @property
    def disbelieved(self) -> bool:
        """Whether the peer has hung up over our certificate, so that dialback on a fresh stream may help."""
        ours = self._error is not None and not isinstance(self._error, s2s.PeerError)
        return self.closed and self._doubted and not ours and self._policy.rules.dialback

    @property
    def shareable(self) -> bool:
        """Whether the peer may be asked to take one more pair on this stream (XEP-0220 §2.6)."""
        return (
            self._state is _BOUND
            and self._reports_errors
            and self._purpose is Purpose.STANZAS
            and len(self.pairs) + len(self._claims) < PAIRS
        )

    def start(self) -> None:
        """Write the first header; on a direct TLS connection `tls_established` does it."""
        self._write_header()

    def receive(self, data: bytes | memoryview, now: float) -> Events:
        """Take bytes of the peer."""
        if self._state is _BOUND:
            return self._sift(self._scanner.feed(data))
        events = self._negotiate(data, now)
        if self._state is _BOUND:
            events += self._sift(self._scanner.feed(b""))
        return events

    def tls_established(self, *, trusted: bool) -> None:
        """Open the stream anew inside TLS; `trusted`: the certificate proves the peer's domain."""
        fresh = self._state is State.HEADER and self._trusted is None and not self._scanner.pending
        if self._state is not State.HANDSHAKE and not fresh:
            return
        self._trusted = trusted
        self._reports_errors = False  # what was said in clear
        self._scanner = self._new_scanner()
        self._restart()

    def ask(self, pair: Pair, stream_id: str, key: str) -> bool:
        """Ask whether a key is the peer's (XEP-0220 §2.2.2); false if the stream cannot take the question."""
        if self._state is not State.BOUND:
            return False
        if len(self._questions) >= OPEN_QUESTIONS:
            del self._questions[next(iter(self._questions))]
        self._questions[pair, stream_id] = None
        self._out += dialback.verify(pair, stream_id, key)
        return True

    def claim(self, pair: Pair) -> bool:
        """Claim to send for one more pair; what comes of it is a `Claimed`. False if the stream does not take it."""
        if not self.shareable or pair in self._claims:
            return False
        self._claims.add(pair)
        self._write_claim(pair)
        return True

    # the stream

    def _open(self, event: StreamHeader) -> None:
        s2s.check_namespace(event)
        header.check_version(event)
        self._id = event.attrs.get("id", "")
        if not self._id or len(self._id) > _STREAM_ID_CHARACTERS:
            raise StreamError(StreamCondition.BAD_FORMAT, "The stream has no proper id")
        self._knows_dialback = DIALBACK in event.namespaces.values()
        self._state = State.FEATURES
        self._phase = _Phase.FEATURES

    def _write_header(self, to: JID | None = None) -> None:
        self._out += s2s.write_header(self.pair.sender, self.pair.target, None)
        self._answered = True

    def _restart(self) -> None:
        self._scanner.reset()
        self._await_header()
        self._write_header()

    def _choose(self, element: Stanza, events: Events) -> None:
        """Take the next step that the peer's features allow."""
        features = element.element
        self._acknowledges = features.find("sm", SM) is not None
        self._note_dialback(features.find("dialback", DIALBACK_FEATURE))
        if not self.secure:
            if features.find("starttls", TLS) is not None:
                self._out += s2s.STARTTLS
                self._phase = _Phase.PROCEED
                return
            if self.must_encrypt:  # somebody between us may have taken it away
                raise StreamError(StreamCondition.POLICY_VIOLATION, "The server offers no TLS")
        elif not self._trusted and not self._policy.rules.dialback:
            raise StreamError(StreamCondition.NOT_AUTHORIZED, "The server's certificate does not prove its domain")
        if self._authenticated:  # what was told before holds for strangers
            self.most_bytes = s2s.longest_stanza(features, self.most_bytes)
        if self._authenticated or self._purpose is Purpose.VERIFY:
            self._establish(s2s.EXTERNAL, events)
            return
        if self.secure and features.find("bidi", s2s.BIDI_FEATURE) is not None:
            self._out += _BIDI
            self.bidi = True
        if self.secure and self._external and _offers_external(features):
            self._out += _auth(self.pair.sender)
            self._phase = _Phase.SASL
            self._doubted = True
        else:
            self._claim()

    def _note_dialback(self, feature: Element | None) -> None:
        """Remember what the features say; some servers do so only before SASL."""
        if feature is not None:
            self._knows_dialback = True
            self._reports_errors |= feature.find("errors", DIALBACK_FEATURE) is not None

    def _claim(self) -> None:
        if not self._knows_dialback:
            raise StreamError(StreamCondition.NOT_AUTHORIZED, "The server offers no way to authenticate")
        self._write_claim(self.pair)
        self._phase = _Phase.DIALBACK

    def _write_claim(self, pair: Pair) -> None:
        key = dialback.make_key(self._policy.secret, pair.target, pair.sender, self._id)
        self._out += dialback.result(pair, key)

    def _establish(self, method: str, events: Events) -> None:
        self._state = State.BOUND
        self._phase = _Phase.READY
        self.deadline = None
        self.jid = JID.parse(self.pair.target)
        if self._purpose is Purpose.STANZAS:
            self.pairs.add(self.pair)
        self._scanner.limits = self._limits.after_auth
        self._scanner.step = False
        events.append(Ready(method, self._acknowledges))

    # what the peer answers

    def _proceed(self, _: Stanza, events: Events) -> None:
        self._scanner.skip_whitespace()
        if self._scanner.pending:
            raise StreamError(StreamCondition.POLICY_VIOLATION, "Nothing may follow <proceed/>")
        self._state = State.HANDSHAKE
        events.append(StartTls())

    def _no_tls(self, _: Stanza, events: Events) -> None:
        raise StreamError(StreamCondition.POLICY_VIOLATION, "The server refuses TLS")

    def _challenged(self, _: Stanza, events: Events) -> None:
        """RFC 4422 Appendix A: say again who we are, to a peer that does not read initial responses."""
        self._refuse(sasl_profile.answer(self.pair.sender.encode()))

    def _accepted(self, _: Stanza, events: Events) -> None:
        self._authenticated = True
        self._doubted = False
        self._scanner.limits = self._limits.after_auth
        self._restart()

    def _rejected(self, _: Stanza, events: Events) -> None:
        """Try dialback instead (XEP-0178 §3)."""
        self._claim()

    def _answered_claim(self, element: Stanza, events: Events) -> None:
        """Take what came of our claim; what was not asked for is dropped (XEP-0220 §4, CVE-2012-3525)."""
        pair = dialback.addresses(element).swapped()
        if self._phase is _Phase.READY and pair in self._claims:
            self._answered_further_claim(pair, element, events)
        elif self._phase is not _Phase.DIALBACK or pair != self.pair:
            self._refuse(b"")
        elif element.type == Verdict.VALID:
            self._establish(s2s.DIALBACK_METHOD, events)
        else:
            error = element.element.find("error", element.scope.default)
            cause = "" if error is None or error.first is None else error.first.name
            condition = _REASONS.get(cause, StreamCondition.NOT_AUTHORIZED)
            raise StreamError(condition, "The server does not believe who we are")

    def _answered_further_claim(self, pair: Pair, element: Stanza, events: Events) -> None:
        self._claims.discard(pair)
        verdict = _VERDICTS.get(element.type or "", Verdict.ERROR)
        if verdict is Verdict.VALID:
            self.pairs.add(pair)
        events.append(Claimed(pair, verdict))

    def _answered_question(self, element: Stanza, events: Events) -> None:
        """Take the answer of an authoritative server, if it was asked just this."""
        pair = dialback.addresses(element).swapped()
        stream_id = element.attrs.get("id", "")
        if (pair, stream_id) not in self._questions:
            self._refuse(b"")
            return
        del self._questions[pair, stream_id]
        verdict = _VERDICTS.get(element.type or "", Verdict.ERROR)
        events.append(Verified(pair, stream_id, verdict))

    def _peer_error(self, element: Stanza, events: Events) -> None:
        self._out += header.CLOSING_TAG
        self._end(s2s.stream_error(element), events)

    # what the base asks

    def _transition(self, element: Stanza, events: Events) -> None:
        key = (self._phase, tag(element.ns, element.name))
        _TRANSITIONS.get(key, S2SOutStream._unexpected)(self, element, events)

    def _passes(self, element: Stanza) -> bool:
        """Let acknowledgements pass, and with XEP-0288 stanzas of the pairs that we send, the other way."""
        if self._phase is not _Phase.READY:
            return False
        if element.ns == SM:
            return element.name in s2s.MANAGEMENT
        if not self.bidi or element.ns != CLIENT or element.name not in s2s.STANZAS:
            return False
        try:
            sender, to = JID.parse(element.attrs["from"]), JID.parse(element.attrs["to"])
        except (KeyError, JIDMalformed):
            return False
        remote, local = sender.domainpart, to.domainpart
        if (remote, local) != (self.pair.target, self.pair.sender) and Pair(local, remote) not in self.pairs:
            return False
        if not self._policy.admits(remote, local):
            return False
        element.stamp(sender, to, b" from='%b'" % sender.encoded)
        return True

    def _authentication_failed(self, failure: SaslError, events: Events) -> None:
        raise StreamError(StreamCondition.NOT_AUTHORIZED)

    def _unexpected(self, element: Stanza, events: Events) -> NoReturn:
        """Nothing else comes on this stream: stanzas of others least of all."""
        if element.name in s2s.STANZAS and self.bidi and self._phase is _Phase.READY:
            raise StreamError(StreamCondition.INVALID_FROM)
        if element.name in s2s.STANZAS:
            raise StreamError(StreamCondition.NOT_AUTHORIZED, "Open a stream of your own")
        raise StreamError(StreamCondition.UNSUPPORTED_STANZA_TYPE)


def _offers_external(features: Element) -> bool:
    mechanisms = features.find("mechanisms", SASL)
    return mechanisms is not None and any(
        mechanism.text.strip() == s2s.EXTERNAL for mechanism in mechanisms.findall("mechanism", SASL)
    )


def _auth(domain: str) -> bytes:
    """Write <auth/>; the identity is named though the header has it, as some servers look only here (XEP-0178 §3)."""
    return sasl_profile.auth(s2s.EXTERNAL, domain.encode())


_VERDICTS: Mapping[str, Verdict] = MappingProxyType({member.value: member for member in Verdict})
_REASONS: Mapping[str, StreamCondition] = MappingProxyType(
    {
        "item-not-found": StreamCondition.HOST_UNKNOWN,
        "remote-server-timeout": StreamCondition.REMOTE_CONNECTION_FAILED,
        "remote-server-not-found": StreamCondition.REMOTE_CONNECTION_FAILED,
        "policy-violation": StreamCondition.POLICY_VIOLATION,
    }
)

Transition: TypeAlias = Callable[[S2SOutStream, Stanza, Events], None]

_ERROR = tag(STREAM, "error")
_RESULT, _VERIFY = tag(DIALBACK, "result"), tag(DIALBACK, "verify")

#: An element without an entry is `_unexpected`.
_TRANSITIONS: Mapping[tuple[_Phase, str], Transition] = MappingProxyType(
    {
        (_Phase.FEATURES, tag(STREAM, "features")): S2SOutStream._choose,
        (_Phase.PROCEED, tag(TLS, "proceed")): S2SOutStream._proceed,
        (_Phase.PROCEED, tag(TLS, "failure")): S2SOutStream._no_tls,
        (_Phase.SASL, tag(SASL, "challenge")): S2SOutStream._challenged,
        (_Phase.SASL, tag(SASL, "success")): S2SOutStream._accepted,
        (_Phase.SASL, tag(SASL, "failure")): S2SOutStream._rejected,
        (_Phase.READY, _VERIFY): S2SOutStream._answered_question,
        **{(phase, _RESULT): S2SOutStream._answered_claim for phase in _Phase},
        **{(phase, _ERROR): S2SOutStream._peer_error for phase in _Phase},
    }
)
