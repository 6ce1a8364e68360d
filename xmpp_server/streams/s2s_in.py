"""RFC 6120, XEP-0178, XEP-0220: a stream that another server has opened, without I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NoReturn, TypeAlias

from xmpp_server.errors import Condition, SaslCondition, SaslError, StreamCondition, StreamError
from xmpp_server.jid import JID, JIDMalformed
from xmpp_server.streams import dialback, header, s2s, s2s_offer, sasl_profile
from xmpp_server.streams.dialback import Pair, Verdict
from xmpp_server.streams.events import StartTls
from xmpp_server.streams.s2s import FederationPolicy
from xmpp_server.streams.s2s_events import DialbackRequest, JudgeRequest, Proven
from xmpp_server.streams.s2s_proofs import Proofs, Proves
from xmpp_server.streams.stream import Events, State, Stream
from xmpp_server.xml.element import tag
from xmpp_server.xml.namespaces import CLIENT, CONTENT, DIALBACK, SASL, SM, STREAM, TLS
from xmpp_server.xml.scanner import StreamHeader
from xmpp_server.xml.stanza import Stanza

_BOUND = State.BOUND


class S2SInStream(Stream):
    """The receiving server's side of one stream.

    Stanzas come out stamped: `sender` and `to` are set, and the peer has proven that it speaks for the sender's domain.
    """

    __slots__ = (
        "_id",
        "_proofs",
        "_question",
        "bidi",
        "local",
        "remote",
        "secure",
    )
    _policy: FederationPolicy

    def __init__(self, policy: FederationPolicy, now: float) -> None:
        super().__init__(policy, now)
        self.secure = False
        #: The peer takes stanzas on this stream, too (XEP-0288).
        self.bidi = False
        #: What the header named: whom the peer wants to speak for, and to whom.
        self.remote: str | None = None
        self.local: str | None = None
        self._id = ""
        self._proofs = Proofs()
        #: The domain to ask about before our features are written.
        self._question: str | None = None

    @property
    def proven(self) -> frozenset[str]:
        """The domains that the peer may send from."""
        return self._proofs.domains

    @property
    def targets(self) -> frozenset[str]:
        """Our domains that dialback has let the peer send to; a certificate lets it send to any."""
        return frozenset(pair.target for pair in self._proofs.pairs)

    def receive(self, data: bytes | memoryview, now: float) -> Events:
        """Take bytes of the peer."""
        if self._state is _BOUND:
            return self._sift(self._scanner.feed(data))
        events = self._negotiate(data, now)
        if self._question is not None and self._state is State.ASKED:
            events.append(JudgeRequest(self._question))
            self._question = None
        if self._state is _BOUND:
            events += self._sift(self._scanner.feed(b""))
        return events

    def tls_established(self, proves: Proves | None, *, asks: bool = False) -> None:
        """Begin anew inside TLS (RFC 6120 §5.4.3.3).

        Args:
            proves: What judges the peer's certificate; None if there is none.
            asks: To judge it takes time: `JudgeRequest` asks for that.

        """
        fresh = self._state is State.HEADER and self.jid is None and not self._scanner.pending
        if self._state is not State.HANDSHAKE and not fresh:
            return
        self.secure = True
        self._proofs.show(proves, asks=asks)
        self.remote = self.local = None
        self._scanner = self._new_scanner()
        self._await_header()

    def judged(self, domain: str, *, proven: bool, now: float) -> Events:
        """Answer a `JudgeRequest`, or tell what was found before a `DialbackRequest` was followed."""
        events: Events = []
        self._proofs.judged(domain, proven=proven)
        if self._state is State.ASKED and domain == self.remote:
            self._offer()
            self._go_on(now, events)
            if self._state is _BOUND:
                events += self._sift(self._scanner.feed(b""))
        return events

    def has_to_judge(self, domain: str) -> bool:
        """Tell whether nobody has held the certificate against a domain yet."""
        return self._proofs.has_to_judge(domain)

    def dialback_answer(self, pair: Pair, verdict: Verdict, error: Condition | None = None) -> Events:
        """Answer an open `DialbackRequest`; a verdict that nobody waits for has no effect."""
        events: Events = []
        if pair in self._proofs.pending and self._state in (State.FEATURES, _BOUND):
            self._proofs.pending.discard(pair)
            self._attempt(lambda: self._conclude(pair, verdict, error, events), events)
            if self._state is _BOUND:
                events += self._sift(self._scanner.feed(b""))
        return events

    # the stream

    def _open(self, event: StreamHeader) -> None:
        """Answer a header with ours, whatever is wrong with it (RFC 6120 §4.9.1.2)."""
        self.local = header.addressed_domain(event)
        sender = header.initiator(event)
        self.remote = sender.domainpart if sender is not None and sender.is_domain else None
        self._write_header()
        s2s.check_namespace(event)
        if self.local is None or not self._policy.serves(self.local):
            raise StreamError(StreamCondition.HOST_UNKNOWN)
        header.check_version(event)
        if "from" in event.attrs and self.remote is None:
            raise StreamError(StreamCondition.INVALID_FROM)
        if self.remote is not None:
            self._check_peer(self.remote, self.local)
        if self._proofs.certified and self.remote is not None and self.remote not in self._proofs.certified:
            raise StreamError(StreamCondition.INVALID_FROM, "You have authenticated as another domain")
        if self.remote is not None and not self._proofs.certified and self.has_to_judge(self.remote):
            self._question = self.remote
            self._state = State.ASKED
        else:
            self._offer()

    def _offer(self) -> None:
        self._out += s2s_offer.features(
            self._policy.rules,
            secure=self.secure,
            certified=bool(self._proofs.certified),
            external=not self._proofs.certified and self._offers_external(),
            stanza_bytes=self._scanner.limits.stanza_bytes,
        )
        if self._proofs.certified:
            self._establish()
        else:
            self._state = State.FEATURES

    def _check_peer(self, remote: str, local: str) -> None:
        if self._policy.serves(remote):  # nobody elsewhere speaks for us
            raise StreamError(StreamCondition.INVALID_FROM)
        if not self._policy.admits(remote, local):
            raise StreamError(StreamCondition.POLICY_VIOLATION, "Your domain is not welcome here")

    def _write_header(self, to: JID | None = None) -> None:
        self._id = self._policy.stream_id()
        local = self.local if self.local is not None and self._policy.serves(self.local) else None
        self._out += s2s.write_header(local or self._policy.default_domain, self.remote, self._id)
        self._answered = True

    def _offers_external(self) -> bool:
        """XEP-0178 §3: only where it can succeed, else the peer would not think of dialback."""
        proofs = self._proofs
        if self.remote is None:
            return proofs.has_certificate and proofs.judged_at_once
        return proofs.certificate_proves(self.remote)

    def _establish(self) -> None:
        """From here on stanzas pass."""
        self._state = _BOUND
        self.deadline = None
        self._refusals = 0
        self._scanner.limits = self._limits.after_auth
        self._scanner.step = False

    # TLS and SASL

    def _start_tls(self, _: Stanza, events: Events) -> None:
        if self.secure:
            raise StreamError(StreamCondition.UNSUPPORTED_STANZA_TYPE)
        self._scanner.skip_whitespace()
        if self._scanner.pending:  # RFC 6120 §5.3.3: they would be taken for what the peer sends inside TLS
            raise StreamError(StreamCondition.POLICY_VIOLATION, "Nothing may follow <starttls/>")
        self._out += s2s.PROCEED
        self._state = State.HANDSHAKE
        self._proofs.forget_dialback()
        events.append(StartTls())

    def _start_sasl(self, auth: Stanza, events: Events) -> None:
        if auth.attrs.get("mechanism") != s2s.EXTERNAL or not self.secure:
            raise SaslError(SaslCondition.INVALID_MECHANISM)
        response = sasl_profile.initial_response(auth)
        if response is None:  # RFC 4422 Appendix A: ask for the identity
            self._out += sasl_profile.challenge(b"")
            self._state = State.SASL
            return
        self._prove(response, events)

    def _continue_sasl(self, response: Stanza, events: Events) -> None:
        self._prove(sasl_profile.response(response), events)

    def _abort_sasl(self, _: Stanza, events: Events) -> None:
        raise SaslError(SaslCondition.ABORTED)

    def _prove(self, authzid: bytes, events: Events) -> None:
        """XEP-0178 §3: the identity asked for, or else the header's, must stand in a certificate that is believed."""
        domain = sasl_profile.authorized_domain(authzid) if authzid else self.remote
        if domain is None or self._policy.serves(domain) or not self._proofs.certificate_proves(domain):
            raise SaslError(SaslCondition.NOT_AUTHORIZED)
        assert self.local is not None  # noqa: S101 - the header was answered with features
        self._check_peer(domain, self.local)
        self._out += sasl_profile.success(None)
        self._certify(Pair(domain, self.local), events)
        self._proofs.forget_dialback()
        self._scanner.reset()
        self._scanner.limits = self._limits.after_auth
        self._await_header()

    def _certify(self, pair: Pair, events: Events) -> None:
        self._proofs.certified.add(pair.sender)
        if self.jid is None:
            self.jid = JID.parse(pair.sender)
        events.append(Proven(pair.sender, pair.target, s2s.EXTERNAL))

    def _authentication_failed(self, failure: SaslError, events: Events) -> None:
        self._state = State.FEATURES
        self._refuse(sasl_profile.failure(failure))

    # dialback

    def _claim(self, element: Stanza, events: Events) -> None:
        """Take <db:result/>: the peer claims to send for a domain (XEP-0220 §2.1)."""
        if element.type is not None:  # §4: an answer to what was never asked authorizes nobody (CVE-2012-3525)
            self._refuse(b"")
            return
        pair = dialback.addresses(element)
        key = dialback.key_of(element)
        if self._policy.serves(pair.sender):
            raise StreamError(StreamCondition.INVALID_FROM)
        condition = self._objection(pair)
        if condition is not None:
            self._decline(dialback.result_answer(pair.swapped(), Verdict.ERROR, condition))
        elif self._proofs.certificate_proves(pair.sender):  # the certificate says it already
            self._certify(pair, events)
            self._out += dialback.result_answer(pair.swapped(), Verdict.VALID)
            self._establish()
        elif not self._policy.rules.dialback and not self.has_to_judge(pair.sender):
            self._decline(dialback.result_answer(pair.swapped(), Verdict.ERROR, Condition.POLICY_VIOLATION))
        elif pair not in self._proofs.pending:
            self._proofs.pending.add(pair)
            events.append(DialbackRequest(pair, self._id, key))

    def _objection(self, pair: Pair) -> Condition | None:
        if self._policy.rules.require_tls and not self.secure:
            return Condition.POLICY_VIOLATION
        if not self._policy.serves(pair.target):
            return Condition.ITEM_NOT_FOUND
        if not self._policy.admits(pair.sender, pair.target):
            return Condition.FORBIDDEN
        if self._proofs.full:
            return Condition.RESOURCE_CONSTRAINT
        return None

    def _decline(self, answer: bytes) -> None:
        """Refuse one pair; where others pass already, they do not suffer for it."""
        if self._state is _BOUND:
            self._out += answer
        else:
            self._refuse(answer)

    def _conclude(self, pair: Pair, verdict: Verdict, error: Condition | None, events: Events) -> None:
        answer = dialback.result_answer(pair.swapped(), verdict, error)
        if verdict is Verdict.ERROR:
            self._decline(answer)
            return
        if verdict is Verdict.INVALID and self.proven:
            self._refuse(answer)
            return
        self._out += answer
        if verdict is Verdict.VALID and self._proofs.certificate_proves(pair.sender):
            self._certify(pair, events)
            self._establish()
        elif verdict is Verdict.VALID:
            self._proofs.pairs.add(pair)
            if self.jid is None:
                self.jid = JID.parse(pair.sender)
            events.append(Proven(pair.sender, pair.target, s2s.DIALBACK_METHOD))
            self._establish()
        else:  # §2.2.1: a peer that lies has no further business here
            self._out += header.CLOSING_TAG
            self._end(StreamError(StreamCondition.NOT_AUTHORIZED, "Dialback failed"), events)

    def _authority(self, element: Stanza, events: Events) -> None:
        """Take <db:verify/>: another server asks whether a key is ours (XEP-0220 §2.3)."""
        if element.type is not None:
            self._refuse(b"")
            return
        pair = dialback.addresses(element)
        stream_id = element.attrs.get("id")
        key = dialback.key_of(element)
        if not stream_id:
            raise StreamError(StreamCondition.BAD_FORMAT, "Which stream?")
        if self._policy.rules.require_tls and not self.secure:
            raise StreamError(StreamCondition.POLICY_VIOLATION, "Use TLS")
        if not self._policy.serves(pair.target):
            answer = dialback.verify_answer(pair.swapped(), stream_id, Verdict.ERROR, Condition.ITEM_NOT_FOUND)
            self._refuse(answer)
            return
        verdict = dialback.judge(self._policy.secret, pair, stream_id, key)
        self._out += dialback.verify_answer(pair.swapped(), stream_id, verdict)

    # stanzas

    def _transition(self, element: Stanza, events: Events) -> None:
        key = (self._state, tag(element.ns, element.name))
        _TRANSITIONS.get(key, S2SInStream._unexpected)(self, element, events)

    def _passes(self, element: Stanza) -> bool:
        """Let stanzas pass that are properly addressed, and stamp them."""
        if element.ns == SM and self._state is not State.FEATURES:
            return element.name in s2s.MANAGEMENT
        if element.name not in s2s.STANZAS or element.ns not in CONTENT:
            return False
        if self._fault(element) is not None:
            return False
        sender, to = JID.parse(element.attrs["from"]), JID.parse(element.attrs["to"])
        element.stamp(sender, to, b" from='%b'" % sender.encoded)
        if element.ns != CLIENT:
            s2s.to_client(element)
        return True

    def _fault(self, stanza: Stanza) -> StreamError | None:
        """Tell what is wrong with a stanza's addresses (RFC 6120 §8.1.1.2, §8.1.2.2)."""
        try:
            sender, to = JID.parse(stanza.attrs["from"]), JID.parse(stanza.attrs["to"])
        except (KeyError, JIDMalformed):
            return StreamError(StreamCondition.IMPROPER_ADDRESSING)
        local = to.domainpart
        if not self._policy.serves(local):
            return StreamError(StreamCondition.HOST_UNKNOWN)
        remote = sender.domainpart
        if not self._proofs.allow(remote, local):
            return StreamError(StreamCondition.INVALID_FROM, "You have not proven that domain")
        if not self._policy.admits(remote, local):
            return StreamError(StreamCondition.POLICY_VIOLATION)
        return None

    def _both_ways(self, _: Stanza, events: Events) -> None:
        """XEP-0288 §2.1: the peer wants to hear from us on its own stream; whoever is in clear does not."""
        self.bidi = self.secure

    def _peer_error(self, element: Stanza, events: Events) -> None:
        self._out += header.CLOSING_TAG
        self._end(s2s.stream_error(element), events)

    def _unexpected(self, element: Stanza, events: Events) -> NoReturn:
        if element.ns not in CONTENT or element.name not in s2s.STANZAS:
            raise StreamError(StreamCondition.UNSUPPORTED_STANZA_TYPE)
        fault = self._fault(element) if self._state is _BOUND else None
        raise fault or StreamError(StreamCondition.NOT_AUTHORIZED, "Authenticate first")


Transition: TypeAlias = Callable[[S2SInStream, Stanza, Events], None]

_ERROR = tag(STREAM, "error")
_RESULT, _VERIFY = tag(DIALBACK, "result"), tag(DIALBACK, "verify")

#: An element without an entry is `_unexpected`; stanzas that pass do not come here.
_TRANSITIONS: Mapping[tuple[State, str], Transition] = MappingProxyType(
    {
        (State.FEATURES, tag(TLS, "starttls")): S2SInStream._start_tls,
        (State.FEATURES, tag(SASL, "auth")): S2SInStream._start_sasl,
        (State.FEATURES, tag(s2s.BIDI, "bidi")): S2SInStream._both_ways,
        (State.SASL, tag(SASL, "response")): S2SInStream._continue_sasl,
        (State.SASL, tag(SASL, "abort")): S2SInStream._abort_sasl,
        (State.FEATURES, _RESULT): S2SInStream._claim,
        (State.FEATURES, _VERIFY): S2SInStream._authority,
        (State.FEATURES, _ERROR): S2SInStream._peer_error,
        (State.SASL, _ERROR): S2SInStream._peer_error,
        (_BOUND, _RESULT): S2SInStream._claim,
        (_BOUND, _VERIFY): S2SInStream._authority,
        (_BOUND, _ERROR): S2SInStream._peer_error,
    }
)
