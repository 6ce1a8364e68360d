"""The connection to the XMPP server (XEP-0114), made again whenever it is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from xml.etree import ElementTree as ET
from xml.sax.saxutils import quoteattr

import structlog
from slixmpp import ComponentXMPP, Iq
from slixmpp.xmlstream import StanzaBase
from slixmpp.xmlstream.handler import CoroutineCallback
from slixmpp.xmlstream.matcher import MatchXPath

from components.xmpp_archive.config import split
from components.xmpp_archive.errors import ArchiveError, RequestError
from components.xmpp_archive.namespaces import ARCHIVE, COMPONENT, EXTENDED, MAM
from components.xmpp_archive.service import Service
from components.xmpp_archive.settings import Server

log = structlog.get_logger(__name__)

_FIRST_WAIT_S = 0.25
_LONGEST_WAIT_S = 15.0

_Answerer = Callable[[ET.Element], Awaitable[str]]


class Link(ComponentXMPP):
    """The archive's domain on the server. It listens to the hosts of the server, and to nobody else."""

    def __init__(self, server: Server, service: Service) -> None:
        super().__init__(server.domain, server.secret, *split(server.address))  # type: ignore[no-untyped-call]
        self.enable_direct_tls = False
        self.enable_plaintext = True
        self._hosts = frozenset(server.hosts) or {server.domain.partition(".")[2]}
        self._wait_s = _FIRST_WAIT_S
        self._retry: asyncio.TimerHandle | None = None
        self._stopping = False
        for plugin in ("xep_0030", "xep_0199"):
            self.register_plugin(plugin)
        disco = self.plugin["xep_0030"]
        disco.add_identity(category="store", itype="archive", name="Archive")
        for feature in (MAM, EXTENDED):
            disco.add_feature(feature)
        self.add_event_handler("session_start", self._started)
        self.add_event_handler("disconnected", self._lost)
        self.add_event_handler("connection_failed", self._lost)
        self.add_event_handler("stream_error", self._refused)
        self._answers("store", service.store)
        self._answers("ask", service.ask)

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

    def _answers(self, name: str, answerer: _Answerer) -> None:
        tag = f"{{{ARCHIVE}}}{name}"

        async def handle(iq: StanzaBase) -> None:
            assert isinstance(iq, Iq)  # noqa: S101 - as the matcher says
            if iq["type"] != "set":
                return
            if iq["from"].full not in self._hosts:  # anybody on the network can send us stanzas
                self._error(iq, RequestError("forbidden", "auth"))
                return
            await self._answer(iq, tag, answerer)

        self.register_handler(CoroutineCallback(tag, MatchXPath(f"{{{COMPONENT}}}iq/{tag}"), handle))

    async def _answer(self, iq: Iq, tag: str, answerer: _Answerer) -> None:
        payload = iq.xml.find(tag)
        if payload is None:
            return
        try:
            inner = await answerer(payload)
        except RequestError as error:
            self._error(iq, error)
        except ArchiveError as error:
            log.error("archive-failed", reason=str(error)[:500])
            self._error(iq, RequestError("resource-constraint", "wait", "The archive cannot be used now"))
        except Exception:
            log.exception("request-failed", stanza_id=iq["id"])
            self._error(iq, RequestError("internal-server-error", "wait"))
        else:
            addresses = f"from={quoteattr(iq['to'].full)} to={quoteattr(iq['from'].full)}"
            self.send_raw(f"<iq type='result' id={quoteattr(iq['id'])} {addresses}>{inner}</iq>")

    @staticmethod
    def _error(iq: Iq, error: RequestError) -> None:
        reply = iq.reply()
        reply["error"]["type"] = error.kind
        reply["error"]["condition"] = error.condition
        reply["error"]["text"] = error.text
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
