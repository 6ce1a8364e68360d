"""The HTTP server: doors, routes, bounds."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Mapping
from urllib.parse import urlsplit

import structlog
from aiohttp import web
from aiohttp.http import HttpProcessingError

from components.xmpp_component.addresses import Doors
from components.xmpp_files.download import Downloads
from components.xmpp_files.headers import answer, harden
from components.xmpp_files.metrics import Metrics
from components.xmpp_files.settings import HttpSettings
from components.xmpp_files.upload import Uploads, leave_waiting

log = structlog.get_logger(__name__)

_READ_BYTES = 256 * 1024
_LINGER_S = 5.0
_PATH = "/{id:[A-Za-z0-9_-]{8,64}}/{name:[^/]+}"


class HttpServer:
    """Serves uploads, downloads, and what others add by prefixes of paths; TLS if there is a certificate."""

    def __init__(
        self,
        settings: HttpSettings,
        uploads: Uploads,
        downloads: Downloads,
        metrics: Metrics,
        pages: Mapping[str, web.Application] | None = None,
    ) -> None:
        self._settings = settings
        self._doors = Doors()
        self._context = _tls(settings)
        application = web.Application(middlewares=[metrics.middleware])
        application.on_response_prepare.append(harden)
        application.router.add_get(_PATH, downloads.get)
        application.router.add_put(_PATH, uploads.put, expect_handler=leave_waiting)
        application.router.add_route("OPTIONS", _PATH, _options)
        for prefix, pages_of in (pages or {}).items():
            application.add_subapp(prefix, pages_of)
        self._runner = web.AppRunner(
            application,
            access_log=None,
            logger=_library_log(),
            handle_signals=False,
            shutdown_timeout=settings.stop_timeout_s,
            keepalive_timeout=settings.header_timeout_s,
            lingering_time=_LINGER_S,
            read_bufsize=_READ_BYTES,
            auto_decompress=False,
        )
        self.addresses: list[str] = []

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: An address cannot be bound.

        """
        await self._runner.setup()
        server = self._runner.server
        if server is None:
            raise RuntimeError("aiohttp made no server")

        def connection() -> asyncio.Protocol:
            return server() if len(server.connections) < self._settings.connections else _Busy()

        self.addresses = await self._doors.open(self._settings.listen, connection, self._context)

    async def stop(self) -> None:
        """Listen no more, let transfers end for a while, cut the others."""
        await self._doors.close()
        await self._runner.cleanup()

    def reload(self) -> None:
        """Read the certificate again, for connections to come.

        Raises:
            OSError: It cannot be read; the old one stays. `ssl.SSLError` is one of these.

        """
        if self._context is not None:
            _tls(self._settings)  # a bad file must not spoil the context in use
            self._context.load_cert_chain(self._settings.certificate, self._settings.key)

    @property
    def url(self) -> str:
        """How clients reach it, without a slash at the end."""
        if self._settings.public_url:
            return self._settings.public_url.rstrip("/")
        scheme = "https" if self._context else "http"
        tcp = [address for address in self.addresses if not address.startswith("unix:")]
        if not tcp or not self._settings.host:
            return f"{scheme}://{tcp[0] if tcp else 'localhost'}"
        return f"{scheme}://{self._settings.host}:{tcp[0].rpartition(':')[2]}"


class _Busy(asyncio.Protocol):
    """A connection too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """End it."""
        if isinstance(transport, asyncio.Transport):
            transport.abort()


class _Damaged(logging.Filter):
    """What strangers send that is no HTTP: a short line, not an error of ours with all that led to it."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell what is to be logged as it is."""
        error = record.exc_info[1] if record.exc_info else None
        if not isinstance(error, HttpProcessingError):
            return True
        log.info("request-damaged", reason=type(error).__name__)
        return False


def _library_log() -> logging.Logger:
    """Return what aiohttp logs by, in this server alone."""
    logger = logging.Logger("aiohttp.server", logging.WARNING)
    logger.parent = logging.getLogger()
    logger.addFilter(_Damaged())
    return logger


def is_https(url: str) -> bool:
    """Tell whether clients will take the URL: XEP-0363 §4 wants TLS."""
    return urlsplit(url).scheme == "https"


async def _options(_request: web.Request) -> web.Response:
    return answer(204, headers={"Allow": "OPTIONS, HEAD, GET, PUT"})


def _tls(settings: HttpSettings) -> ssl.SSLContext | None:
    if not settings.certificate:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    context.load_cert_chain(settings.certificate, settings.key)
    return context
