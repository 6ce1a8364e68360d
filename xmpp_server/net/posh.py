"""POSH: the certificates of a domain's server, as the domain's own web server tells them (RFC 7711)."""

from __future__ import annotations

import asyncio
import ssl
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit

import structlog

from xmpp_server.net.dns import NoServerError, Resolver, is_address, to_ascii
from xmpp_server.net.posh_document import Document, PoshError, parse

log = structlog.get_logger()

#: Where a domain's web server has the document (RFC 7711 §3).
PATH = "/.well-known/posh/xmpp-server.json"
#: How long one document may take, with all that it refers to.
FETCH_S = 10.0
#: Documents that one leads to, one after the other, by its `url` or as HTTP redirects.
HOPS = 3
#: Fetched at one time; who comes when so many wait is not served.
FETCHES_AT_ONCE = 8
WAITING = 64
#: The longest that a document is believed, whatever it says; and how long a failure is.
KEEP_S = 86_400.0
KEEP_FAILURE_S = 300.0
CACHED_DOMAINS = 10_000


#: Gets a page over HTTPS: the body of an answer 200, or where a redirect leads. Raises PoshError.
Get: TypeAlias = Callable[[str], Awaitable[bytes | str]]


class Posh:
    """Asks the web servers of domains, remembers what they say."""

    def __init__(self, get: Callable[[], Get], *, now: Callable[[], float], port: int = 443) -> None:
        """Prepare.

        Args:
            get: Makes what gets the documents of one domain.
            now: Monotonic seconds.
            port: The only port that is asked.

        """
        self._get = get
        self._now = now
        self._port = port
        self._cache: OrderedDict[str, tuple[float, Document | PoshError]] = OrderedDict()
        self._fetching: dict[str, asyncio.Future[None]] = {}
        self._running = asyncio.Semaphore(FETCHES_AT_ONCE)

    async def proves(self, chain: Sequence[bytes], domain: str) -> bool:
        """Tell whether a domain names the first certificate of a chain (DER)."""
        if not chain:
            return False
        try:
            document = await self.document(domain)
        except PoshError as error:
            log.info("posh-failed", domain=domain, reason=str(error))
            return False
        return document.names(chain[0])

    async def document(self, domain: str) -> Document:
        """Return what a domain says, from the cache if it is there.

        Raises:
            PoshError: There is nothing that counts.

        """
        try:
            name = to_ascii(domain)
        except NoServerError as error:
            raise PoshError(str(error)) from None
        if is_address(domain):
            raise PoshError("an address has no web server to ask")
        while True:
            kept = self._cache.get(name)
            if kept is not None and kept[0] > self._now():
                self._cache.move_to_end(name)
                if isinstance(kept[1], PoshError):
                    raise kept[1]
                return kept[1]
            if name not in self._fetching:
                return await self._fetch_once(name)
            await asyncio.shield(self._fetching[name])

    async def _fetch_once(self, name: str) -> Document:
        """Fetch what nobody else is fetching; who asks meanwhile waits for it."""
        if len(self._fetching) >= WAITING:
            raise PoshError("too many web servers are being asked")
        done = self._fetching[name] = asyncio.get_running_loop().create_future()
        try:
            async with self._running, asyncio.timeout(FETCH_S):
                document = await self._fetch(self._address(name), self._get())
        except (PoshError, TimeoutError) as error:
            failure = error if isinstance(error, PoshError) else PoshError("the web server takes too long")
            self._keep(name, KEEP_FAILURE_S, failure)
            raise failure from None
        finally:
            del self._fetching[name]
            done.set_result(None)
        self._keep(name, min(document.expires_s, KEEP_S), document)
        return document

    async def _fetch(self, url: str, get: Get) -> Document:
        """Follow references to the end; what they say is true for the shortest of their times (RFC 7711 §7)."""
        expires_s = KEEP_S
        for _ in range(1 + HOPS):
            found = await get(self._checked(url))
            if isinstance(found, str):
                url = found
                continue
            document = parse(found)
            expires_s = min(expires_s, document.expires_s)
            if document.fingerprints:
                return Document(document.fingerprints, "", expires_s)
            url = document.url
        raise PoshError("one document refers to another without end")

    def _address(self, host: str) -> str:
        return f"https://{host}{'' if self._port == 443 else f':{self._port}'}{PATH}"

    def _checked(self, url: str) -> str:
        """Refuse what leads elsewhere than to a web server's usual door: nobody is made to knock at others."""
        scheme, host, port = _parts(url)
        if scheme != "https" or (port or 443) != self._port:
            raise PoshError(f"{url} is not https at port {self._port}")
        if not host or is_address(host):
            raise PoshError(f"{url} names no host")
        return url

    def _keep(self, name: str, seconds: float, what: Document | PoshError) -> None:
        self._cache[name] = (self._now() + seconds, what)
        self._cache.move_to_end(name)
        while len(self._cache) > CACHED_DOMAINS:
            self._cache.popitem(last=False)


def over_https(resolver: Resolver, authorities: Path | None) -> Callable[[], Get]:
    """Return what makes a `Get`; the HTTP library and the CAs (the system's, and those of a file) are loaded then."""
    trust: list[ssl.SSLContext] = []

    def make() -> Get:
        from xmpp_server.net.posh_get import Getter

        if not trust:
            context = ssl.create_default_context()
            if authorities is not None:
                context.load_verify_locations(authorities)
            trust.append(context)
        return Getter(resolver, trust[0])

    return make


def _parts(url: str) -> tuple[str, str, int | None]:
    try:
        parts = urlsplit(url)
        return parts.scheme, parts.hostname or "", parts.port
    except ValueError:
        raise PoshError(f"{url} is no address of a page") from None
