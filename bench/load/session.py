"""A client session: socket, TLS, sign-in by the book, and XEP-0198 counting once it is there."""

from __future__ import annotations

import base64
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass

from bench.load.elements import ElementSplitter, attribute
from bench.load.reactor import Reactor
from bench.load.scram import MECHANISM, ScramClient, ScramError

_READ_BYTES = 32_768  # more than a TLS record: nothing stays behind in OpenSSL's buffer
_SASL = b"urn:ietf:params:xml:ns:xmpp-sasl"
_STANZAS = (b"<message", b"<presence", b"<iq")
_ACK_REQUEST_EVERY = 10


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """What every session of a crowd does to be there."""

    host: str
    port: int
    domain: bytes
    password: bytes
    tls: ssl.SSLContext | None = None
    roster: bool = True
    carbons: bool = False
    stream_management: bool = False


class Session:
    """One client. `on_ready`, `on_element` and `on_end` are set by its owner."""

    __slots__ = (
        "_handshaking",
        "_out",
        "_reactor",
        "_scram",
        "_since_request",
        "_socket",
        "_splitter",
        "_step",
        "_tls",
        "_waiting",
        "_writing",
        "address",
        "bare",
        "began",
        "failure",
        "handled",
        "index",
        "on_element",
        "on_end",
        "on_ready",
        "open",
        "options",
        "ready_at",
        "sent_stanzas",
        "sm_acknowledged",
        "sm_active",
        "username",
    )

    def __init__(self, reactor: Reactor, options: SessionOptions, index: int, username: bytes) -> None:
        self.options = options
        self.index = index
        self.username = username
        self.bare = username + b"@" + options.domain
        self.address = b""
        self.open = False
        self.failure: str | None = None
        self.began = self.ready_at = 0.0
        self.handled = self.sent_stanzas = self.sm_acknowledged = self._since_request = 0
        self.sm_active = False
        self.on_ready: Callable[[Session], None] = _nothing
        self.on_end: Callable[[Session], None] = _nothing
        self.on_element: Callable[[Session, bytes], None] = _ignore
        self._reactor = reactor
        self._out = bytearray()
        self._writing = True
        self._tls: ssl.SSLSocket | None = None
        self._handshaking = False
        self._scram = ScramClient(username, options.password)
        self._splitter = ElementSplitter()
        self._step: Callable[[bytes], None] = self._features_before_tls
        self._waiting: set[bytes] = set()

    # --- the connection

    def connect(self) -> None:
        """Begin; `on_ready` or `on_end` follows from the reactor."""
        self.began = time.perf_counter()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.connect_ex((self.options.host, self.options.port))
        self.open = True
        self._step = self._features_before_tls if self.options.tls else self._features_before_sasl
        self._reactor.add(self._socket.fileno(), self, writing=True)
        self._out += self._header()

    def readable(self) -> None:
        """Read once and act on every element that is complete."""
        try:
            if self._handshaking:
                return self._handshake()
            data = self._socket.recv(_READ_BYTES)
        except (BlockingIOError, ssl.SSLWantReadError):
            return None
        except OSError as error:
            return self._fail(f"{type(error).__name__}: {error}")
        if not data:
            return self._fail("the server closed the connection")
        for element in self._splitter.feed(data):
            self._step(element)
            if not self.open:
                break
        return None

    def writable(self) -> None:
        """Write what is left over."""
        self.send(b"")

    def send(self, data: bytes) -> None:
        """Write now what the kernel takes, the rest later."""
        out = self._out
        try:
            if out:
                out += data
                while out:
                    del out[: self._socket.send(out)]
            elif data:
                sent = self._socket.send(data)
                if sent < len(data):
                    out += data[sent:]
        except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
            if not out:
                out += data
        except OSError as error:
            return self._fail(f"{type(error).__name__}: {error}")
        if self._writing != bool(out):
            self._writing = bool(out)
            self._reactor.watch_writing(self._socket.fileno(), self._writing)
        return None

    def send_stanza(self, stanza: bytes) -> None:
        """Send a stanza, asking for an acknowledgement now and then if XEP-0198 is on."""
        self.sent_stanzas += 1
        if self.sm_active:
            self._since_request += 1
            if self._since_request == _ACK_REQUEST_EVERY:
                self._since_request = 0
                stanza += b"<r xmlns='urn:xmpp:sm:3'/>"
        self.send(stanza)

    def close_stream(self) -> None:
        """Say good-bye; `on_end` follows when the server has closed its side."""
        self._step = self._closing
        self.send(b"</stream:stream>")

    def drop(self) -> None:
        """Close the socket at once."""
        if self.open:
            self.open = False
            self._reactor.remove(self._socket.fileno())
            self._socket.close()
            self.on_end(self)

    def _fail(self, reason: str) -> None:
        if self._step != self._closing:
            self.failure = f"{reason} ({getattr(self._step, '__name__', '?').strip('_')})"
        self.drop()

    # --- sign-in, one method for each element awaited

    def _header(self) -> bytes:
        return (
            b"<?xml version='1.0'?><stream:stream to='%s' version='1.0' xmlns='jabber:client' "
            b"xmlns:stream='http://etherx.jabber.org/streams'>" % self.options.domain
        )

    def _restart(self, step: Callable[[bytes], None]) -> None:
        self._splitter = ElementSplitter()
        self._step = step
        self.send(self._header())

    def _features_before_tls(self, element: bytes) -> None:
        if self._is_features(element):
            self._step = self._proceed
            self.send(b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")

    def _proceed(self, element: bytes) -> None:
        if not element.startswith(b"<proceed"):
            return self._fail(f"instead of <proceed/>: {element[:100]!r}")
        context = self.options.tls
        assert context is not None
        self._reactor.remove(self._socket.fileno())
        self._tls = context.wrap_socket(
            self._socket, do_handshake_on_connect=False, server_hostname=self.options.domain.decode()
        )
        self._socket = self._tls
        self._writing = False
        self._reactor.add(self._socket.fileno(), self, writing=False)
        self._handshaking = True
        return self._handshake()

    def _handshake(self) -> None:
        assert self._tls is not None
        try:
            self._tls.do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return None
        except OSError as error:
            return self._fail(f"TLS: {error}")
        self._handshaking = False
        return self._restart(self._features_before_sasl)

    def _features_before_sasl(self, element: bytes) -> None:
        if self._is_features(element):
            if b">" + MECHANISM + b"<" not in element:
                return self._fail(f"{MECHANISM.decode()} is not offered")
            self._step = self._challenge
            self.send(
                b"<auth xmlns='%s' mechanism='%s'>%s</auth>" % (_SASL, MECHANISM, base64.b64encode(self._scram.first()))
            )
        return None

    def _challenge(self, element: bytes) -> None:
        if not element.startswith(b"<challenge"):
            return self._fail(f"instead of <challenge/>: {element[:150]!r}")
        try:
            answer = self._scram.final(_sasl_data(element))
        except ScramError as error:
            return self._fail(str(error))
        self._step = self._success
        return self.send(b"<response xmlns='%s'>%s</response>" % (_SASL, base64.b64encode(answer)))

    def _success(self, element: bytes) -> None:
        if not element.startswith(b"<success"):
            return self._fail(f"instead of <success/>: {element[:150]!r}")
        try:
            self._scram.verify(_sasl_data(element))
        except ScramError as error:
            return self._fail(str(error))
        return self._restart(self._features_before_bind)

    def _features_before_bind(self, element: bytes) -> None:
        if self._is_features(element):
            self._step = self._bound
            self.send(
                b"<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
                b"<resource>bench</resource></bind></iq>"
            )

    def _bound(self, element: bytes) -> None:
        begin = element.find(b"<jid>") + 5
        if attribute(element, b"type") != b"result" or begin < 5:
            return self._fail(f"binding: {element[:150]!r}")
        self.address = element[begin : element.find(b"</jid>")]
        options = self.options
        out = [b"<presence/>"]
        self._waiting = {b"presence"}
        if options.stream_management:
            # Enabled first, so that both sides count from the same stanza on.
            out.insert(0, b"<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
            self._waiting.add(b"enabled")
        if options.carbons:
            out.insert(-1, b"<iq type='set' id='carbons'><enable xmlns='urn:xmpp:carbons:2'/></iq>")
            self._waiting.add(b"carbons")
        if options.roster:
            out.insert(-1, b"<iq type='get' id='roster'><query xmlns='jabber:iq:roster'/></iq>")
            self._waiting.add(b"roster")
        self.sent_stanzas += len(out) - options.stream_management
        self._step = self._set_up
        return self.send(b"".join(out))

    def _set_up(self, element: bytes) -> None:
        """Await the answers to all that was asked at once, and the echo of the own presence."""
        if element.startswith(b"<enabled"):
            self.sm_active = True
            self._waiting.discard(b"enabled")
        elif element.startswith(b"<iq"):
            if attribute(element, b"type") != b"result":
                return self._fail(f"set-up: {element[:150]!r}")
            self._waiting.discard(attribute(element, b"id") or b"")
        elif element.startswith(b"<presence") and attribute(element, b"from") == self.address:
            self._waiting.discard(b"presence")
        elif element.startswith((b"<failed", b"<stream:error")):
            return self._fail(f"set-up: {element[:150]!r}")
        if self.open:
            self._count(element)
        if self.open and not self._waiting:
            self.ready_at = time.perf_counter()
            self._step = self._established
            self.on_ready(self)
        return None

    # --- established

    def _established(self, element: bytes) -> None:
        if self.sm_active and self._count(element):
            return
        if element.startswith(b"<stream:error"):
            self._fail(f"{element[:200]!r}")
        else:
            self.on_element(self, element)

    def _count(self, element: bytes) -> bool:
        """Count a stanza (XEP-0198 §4), answer <r/>, note <a/>; True for what is no stanza."""
        if not self.sm_active:
            return False
        if element.startswith(_STANZAS):
            self.handled += 1
            return False
        if element.startswith((b"<r ", b"<r/")):
            self.send(b"<a xmlns='urn:xmpp:sm:3' h='%d'/>" % self.handled)
            return True
        if element.startswith(b"<a "):
            self.sm_acknowledged = int(attribute(element, b"h") or b"0")
            if self.sm_acknowledged > self.sent_stanzas:
                self._fail(f"the server handled {self.sm_acknowledged} of {self.sent_stanzas} stanzas")
            return True
        return False

    def _closing(self, element: bytes) -> None:
        if element == b"</stream:stream>":
            self.drop()

    def _is_features(self, element: bytes) -> bool:
        """Tell features from the stream header before them; anything else ends the session."""
        if element.startswith(b"<stream:features"):
            return True
        if not element.startswith(b"<stream:stream"):
            self._fail(f"instead of features: {element[:200]!r}")
        return False


def _sasl_data(element: bytes) -> bytes:
    begin = element.find(b">") + 1
    end = element.rfind(b"</")
    return base64.b64decode(element[begin:end]) if end >= begin else b""


def _nothing(_session: Session) -> None:
    """Do nothing."""


def _ignore(_session: Session, _element: bytes) -> None:
    """Do nothing."""
