"""The connection to the XMPP server (XEP-0114), made again whenever it is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from xml.etree import ElementTree as ET

import structlog
from slixmpp import ComponentXMPP, Iq
from slixmpp.xmlstream import StanzaBase
from slixmpp.xmlstream.handler import CoroutineCallback
from slixmpp.xmlstream.matcher import MatchXPath

from components.xmpp_files.addresses import split
from components.xmpp_files.requests import RequestError
from components.xmpp_files.settings import Server

log = structlog.get_logger(__name__)

_FIRST_WAIT_S = 0.25
_LONGEST_WAIT_S = 15.0
_COMPONENT = "jabber:component:accept"

#: Gets the payload and the full JID of who asks; returns the payload of the result, None for an empty one.
Answerer = Callable[[ET.Element, str], Awaitable[ET.Element | None]]


class Link(ComponentXMPP):
    """One domain of ours on the server: disco, ping, and what `answers` adds."""

    def __init__(self, domain: str, server: Server) -> None:
        where = split(server.address)
        assert isinstance(where, tuple)  # noqa: S101 - config.load has checked it
        super().__init__(domain, server.secret, *where)  # type: ignore[no-untyped-call]  # slixmpp's
        self.enable_direct_tls = server.tls
        self.enable_plaintext = not server.tls
        self._wait_s = _FIRST_WAIT_S
        self._retry: asyncio.TimerHandle | None = None
        self._stopping = False
        for plugin in ("xep_0030", "xep_0128", "xep_0199"):
            self.register_plugin(plugin)
        self.add_event_handler("session_start", self._started)
        self.add_event_handler("disconnected", self._lost)
        self.add_event_handler("connection_failed", self._lost)
        self.add_event_handler("stream_error", self._refused)

    def start(self) -> None:
        """Connect, now and whenever needed, until `stop`."""
        self.connect()

    async def stop(self) -> None:
        """End the stream."""
        self._stopping = True
        if self._retry is not None:
            self._retry.cancel()
        self.cancel_connection_attempt()
        if self.is_connected():
            await self.disconnect(wait=1.0)

    def answers(self, answerers: Mapping[str, Answerer], tag: str) -> None:
        """Answer IQ requests whose payload has a tag, as "{namespace}name"; `answerers` are by "get" and "set"."""

        async def handle(iq: StanzaBase) -> None:
            assert isinstance(iq, Iq)  # noqa: S101 - as the matcher says
            if iq["type"] in answerers:
                await self._answer(iq, tag, answerers[iq["type"]])
            elif iq["type"] in ("get", "set"):
                _error(iq, RequestError("bad-request", "modify", f"This is not asked by {iq['type']}")).send()

        self.register_handler(CoroutineCallback(tag, MatchXPath(f"{{{_COMPONENT}}}iq/{tag}"), handle))

    async def _answer(self, iq: Iq, tag: str, answerer: Answerer) -> None:
        payload = iq.xml.find(tag)
        if payload is None:
            return
        try:
            result = await answerer(payload, iq["from"].full)
        except RequestError as error:
            _error(iq, error).send()
            return
        except Exception:
            log.exception("request-failed", stanza_id=iq["id"])
            reply = iq.reply()
            reply["error"]["type"] = "wait"
            reply["error"]["condition"] = "internal-server-error"
            reply.send()
            return
        reply = iq.reply()
        if result is not None:
            reply.append(result)
        reply.send()

    def _started(self, _event: object) -> None:
        self._wait_s = _FIRST_WAIT_S
        log.info("connected", domain=self.boundjid.bare)

    def _refused(self, error: object) -> None:
        condition = error["condition"] if hasattr(error, "__getitem__") else ""
        log.error("refused-by-server", domain=self.boundjid.bare, condition=condition)

    def _lost(self, reason: object) -> None:
        """Try again after a while that doubles; slixmpp's own waiting grows to minutes."""
        self.cancel_connection_attempt()
        if self._stopping or (self._retry is not None and not self._retry.cancelled()):
            return
        log.warning("not-connected", domain=self.boundjid.bare, reason=str(reason), retry_s=self._wait_s)
        self._retry = asyncio.get_running_loop().call_later(self._wait_s, self._again)
        self._wait_s = min(_LONGEST_WAIT_S, self._wait_s * 2)

    def _again(self) -> None:
        self._retry = None
        self.connect()


def _error(iq: Iq, error: RequestError) -> Iq:
    """Return the error with the request in it (RFC 6120 §8.3.1)."""
    reply: Iq = iq.reply(clear=False)
    reply["error"]["type"] = error.kind
    reply["error"]["condition"] = error.condition
    reply["error"]["text"] = error.text
    if error.extension is not None:
        reply["error"].append(error.extension)
    return reply
