"""The connection to the XMPP server (XEP-0114), made again whenever it is lost."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from xml.etree import ElementTree as ET
from xml.sax.saxutils import quoteattr

import structlog
from slixmpp import ComponentXMPP, Iq
from slixmpp.xmlstream import StanzaBase, tostring
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import MatchXPath

from components.xmpp_component.addresses import split
from components.xmpp_component.back_off import BackOff
from components.xmpp_component.errors import RequestError
from components.xmpp_component.settings import Server

log = structlog.get_logger(__name__)

_COMPONENT = "jabber:component:accept"
_CONNECT_TIMEOUT_S = 30.0
_CLOSE_TIMEOUT_S = 1.0
#: A server that has vanished without a word is missed after these: seconds of silence, between probes, and probes.
_KEEPALIVE = ((socket.TCP_KEEPIDLE, 60), (socket.TCP_KEEPINTVL, 15), (socket.TCP_KEEPCNT, 4))
#: Stream errors that say nothing against us.
_PASSING = frozenset({"connection-timeout", "reset", "system-shutdown"})
_HINTS = {
    "host-unknown": "the server has no component of this domain",
    "not-authorized": "the server has another secret for this domain",
    "conflict": "another program serves this domain",
}

#: Gets the payload and the full JID of who asks; returns the payload of the result: an element, XML text, or None.
Answerer = Callable[[ET.Element, str], Awaitable[ET.Element | str | None]]


class Link(ComponentXMPP):
    """One domain of ours on the server: disco, ping, and what `answers` adds."""

    def __init__(self, domain: str, server: Server, back_off: BackOff | None = None) -> None:
        where = split(server.address)
        self._socket_path = where if isinstance(where, Path) else None
        # slixmpp knows hosts and ports only; a Unix socket goes by a name that is never looked up.
        host, port = where if isinstance(where, tuple) else ("localhost", 5347)
        super().__init__(domain, server.secret, host, port)  # type: ignore[no-untyped-call]  # slixmpp has no types there
        self._is_tls = server.tls
        self._back_off = back_off or BackOff()
        self._is_refused = False
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_waiting = False
        self._stopping = False
        self.is_ready = False
        for plugin in ("xep_0030", "xep_0128", "xep_0199"):
            self.register_plugin(plugin)
        # slixmpp would keep the presence of whoever sends one, for ever, and let everybody subscribe.
        self.remove_handler("Presence")
        self.register_handler(Callback("Presence", MatchXPath(f"{{{_COMPONENT}}}presence"), self._tell_presence))
        self.add_event_handler("session_start", self._taken)
        self.add_event_handler("disconnected", self._lost)
        self.add_event_handler("connection_failed", self._lost)
        self.add_event_handler("stream_error", self._refused)

    @property
    def domain(self) -> str:
        """The domain that it serves."""
        return self.boundjid.bare

    def start(self) -> None:
        """Connect, now and whenever needed, until `stop`."""
        self._is_waiting = False
        self._again_in(_CONNECT_TIMEOUT_S, self._too_late)
        self.connect()

    async def stop(self) -> None:
        """Give the answers that are under way a moment, then end the stream."""
        self._stopping = True
        self._forget_timer()
        self.cancel_connection_attempt()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_CLOSE_TIMEOUT_S)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self.is_connected():
            await self.disconnect(wait=_CLOSE_TIMEOUT_S)

    def answers(self, answerers: Mapping[str, Answerer], tag: str) -> None:
        """Answer IQ requests whose payload has a tag, as "{namespace}name"; `answerers` are by "get" and "set"."""

        def handle(iq: StanzaBase) -> None:
            assert isinstance(iq, Iq)  # noqa: S101 - as the matcher says
            if iq["type"] in ("get", "set"):
                task = asyncio.create_task(self._answer(iq, tag, answerers.get(iq["type"])), name="answer")
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

        self.register_handler(Callback(tag, MatchXPath(f"{{{_COMPONENT}}}iq/{tag}"), handle))

    def _tell_presence(self, presence: StanzaBase) -> None:
        """Hand on what is addressed to us as the event "directed_presence"; nothing is remembered."""
        self.event("directed_presence", presence)

    async def _answer(self, iq: Iq, tag: str, answerer: Answerer | None) -> None:
        payload = iq.xml.find(tag)
        if payload is None:
            return
        try:
            if answerer is None:
                raise RequestError("bad-request", "modify", f"This is not asked by {iq['type']}")
            result = await answerer(payload, iq["from"].full)
        except RequestError as error:
            self._send(iq, _error(iq, error))
        except Exception:  # whatever an answerer does wrong, who asks is answered
            log.exception("request-failed", stanza_id=iq["id"])
            self._send(iq, _error(iq, RequestError("internal-server-error", "wait")))
        else:
            self._send(iq, _result(iq, result))

    def _send(self, iq: Iq, answer: str) -> None:
        """Send an answer, as text: slixmpp would keep it for later while there is no connection."""
        if self.is_ready:
            self.send_raw(answer)
        else:
            log.info("answer-dropped", domain=self.domain, stanza_id=iq["id"])

    # The life of the connection.

    async def _attempt_connection(self, host: str, port: int, _tls: bool, _server_hostname: str | None) -> bool:
        """Do what slixmpp does for clients: its components know neither TLS nor Unix sockets."""
        self.event_when_connected = "connected"
        loop = asyncio.get_running_loop()
        try:
            if self._socket_path is not None:
                await loop.create_unix_connection(lambda: self, str(self._socket_path))
                return True
            tls, name = (self.get_ssl_context(), host) if self._is_tls else (None, None)
            transport, _ = await loop.create_connection(lambda: self, host, port, ssl=tls, server_hostname=name)
        except OSError as error:  # also of TLS, and of names that are not known
            self.event("connection_failed", error)
            return False
        _keep_alive(transport.get_extra_info("socket"))
        return True

    def _taken(self, _event: object) -> None:
        self._forget_timer()
        self._back_off.connected()
        self.is_ready = True
        log.info("connected", domain=self.domain)

    def _refused(self, error: object) -> None:
        condition = str(error["condition"]) if hasattr(error, "__getitem__") else ""
        if condition in _PASSING:
            return
        self._is_refused = True
        log.error("refused-by-server", domain=self.domain, condition=condition, hint=_HINTS.get(condition, ""))

    def _too_late(self) -> None:
        """Give up a connection whose other side says nothing."""
        if self.is_connected():
            self.disconnect_reason = "no answer"
            self.abort()
        else:
            self._lost("no answer")

    def _lost(self, reason: object) -> None:
        """Try again after a while: slixmpp's own waits are for servers that are out of reach only."""
        self.is_ready = False
        self.cancel_connection_attempt()
        if self._stopping or self._is_waiting:
            return
        self._is_waiting = True
        self._forget_timer()
        wait_s = self._back_off.refused() if self._is_refused else self._back_off.lost()
        self._is_refused = False
        log.warning("not-connected", domain=self.domain, reason=str(reason), retry_s=round(wait_s, 2))
        self._again_in(wait_s, self.start)

    def _again_in(self, wait_s: float, act: Callable[[], None]) -> None:
        self._timer = asyncio.get_running_loop().call_later(wait_s, act)

    def _forget_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _keep_alive(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _KEEPALIVE:
        connection.setsockopt(socket.IPPROTO_TCP, option, value)


def _result(iq: Iq, payload: ET.Element | str | None) -> str:
    text = tostring(payload) if isinstance(payload, ET.Element) else payload or ""
    return f"<iq type='result'{_addresses(iq)}>{text}</iq>"


def _error(iq: Iq, error: RequestError) -> str:
    """Return the error stanza (RFC 6120 §8.3.1), without the request: one of the archive's is large."""
    condition = f"<{error.condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
    text = ET.Element("{urn:ietf:params:xml:ns:xmpp-stanzas}text")
    text.text = error.text
    parts = [text] if error.text else []
    more = "".join(tostring(part) for part in (*parts, error.extension) if part is not None)
    return f"<iq type='error'{_addresses(iq)}><error type='{error.kind}'>{condition}{more}</error></iq>"


def _addresses(iq: Iq) -> str:
    return f" id={quoteattr(iq['id'])} from={quoteattr(iq['to'].full)} to={quoteattr(iq['from'].full)}"
