"""Gets single pages from web servers of strangers: over HTTPS only, small, quick, and never from within our network."""

from __future__ import annotations

import socket
import ssl
from ipaddress import ip_address
from urllib.parse import urljoin

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from xmpp_server.net.dns import NoServerError, Resolver
from xmpp_server.net.lookup import LookupFailedError
from xmpp_server.net.posh_document import PoshError

#: The largest page.
PAGE_BYTES = 65_536
#: How long one page may take.
PAGE_S = 8.0
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class Getter:
    """Gets the pages that lead from one to the next (`posh.Get`)."""

    def __init__(self, resolver: Resolver, trust: ssl.SSLContext) -> None:
        self._addresses = _Addresses(resolver)
        self._trust = trust

    async def __call__(self, url: str) -> bytes | str:
        """Return the body of a page, or where it redirects to.

        Raises:
            PoshError: There is none.

        """
        connector = aiohttp.TCPConnector(
            resolver=self._addresses, ssl=self._trust, use_dns_cache=False, force_close=True, limit=1
        )
        async with aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=PAGE_S),
            headers={"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "xmpp-server"},
            auto_decompress=False,
        ) as session:
            try:
                async with session.get(url, allow_redirects=False) as response:
                    return await _take(url, response)
            except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
                raise PoshError(f"{url}: {str(error) or type(error).__name__}") from None


async def _take(url: str, response: aiohttp.ClientResponse) -> bytes | str:
    if response.status in _REDIRECTS and "Location" in response.headers:
        return urljoin(url, response.headers["Location"])
    if response.status != 200:
        raise PoshError(f"{url}: status {response.status}")
    body = b""
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > PAGE_BYTES:
            raise PoshError(f"{url}: more than {PAGE_BYTES} bytes")
    return body


class _Addresses(AbstractResolver):
    """Looks hosts up as those of other servers; a page from outside cannot lead into our own network."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._inside: bool | None = None

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        try:
            found = await self._resolver.addresses(host)
        except (NoServerError, LookupFailedError) as error:
            raise OSError(str(error)) from None
        if self._inside is None:  # the domain's own web server
            self._inside = not all(ip_address(address).is_global for address in found)
        if not self._inside:
            found = [address for address in found if ip_address(address).is_global]
            if not found:
                raise OSError(f"{host} is in a private network")
        return [_result(host, address, port) for address in found]

    async def close(self) -> None:
        """Nothing is open."""


def _result(host: str, address: str, port: int) -> ResolveResult:
    family = socket.AF_INET6 if ip_address(address).version == 6 else socket.AF_INET
    return ResolveResult(
        hostname=host, host=address, port=port, family=family, proto=0, flags=int(socket.AI_NUMERICHOST)
    )
