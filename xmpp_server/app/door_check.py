"""What the doors of the running server show to whoever knocks: certificate by SNI, ALPN, versions of TLS."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import warnings
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import msgspec
from cryptography.hazmat.primitives.serialization import Encoding

from xmpp_server.app.control import SOCKET_NAME, ControlError, NotRunningError, request
from xmpp_server.app.finding import Finding, Level
from xmpp_server.app.settings import Config
from xmpp_server.net.addresses import AddressError, parse_address
from xmpp_server.net.certificates import KeyPair
from xmpp_server.net.self_signed import certified_name

SUBJECT = "tls"
TIMEOUT_S = 5.0
#: What a stream may say before TLS: a header and features.
_CLEAR_BYTES = 8192
_OLD, _NEW = (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1), (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)


@dataclass(frozen=True, slots=True)
class Door:
    """One address of the running server."""

    key: str
    host: str
    port: int

    @property
    def namespace(self) -> str:
        """What a stream is about there."""
        return "jabber:client" if self.key.startswith("c2s") else "jabber:server"

    @property
    def alpn(self) -> str:
        """The application protocol (XEP-0368)."""
        return "xmpp-client" if self.key.startswith("c2s") else "xmpp-server"

    @property
    def is_direct(self) -> bool:
        """Whether TLS begins at once."""
        return self.key.endswith("_tls")

    def __str__(self) -> str:
        return f"listen.{self.key} {self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Shown:
    """What a door has shown."""

    certificate: bytes
    alpn: str | None


async def check_doors(config: Config, pairs: Sequence[KeyPair]) -> AsyncIterator[Finding]:
    """Knock at all doors, for each domain; say so where the server does not run."""
    try:
        status = await asyncio.to_thread(request, config.data_path / SOCKET_NAME, "status", {}, TIMEOUT_S)
    except NotRunningError:
        yield Finding(SUBJECT, Level.OK, "the server is not running: its doors were not tried")
        return
    except (ControlError, OSError) as error:
        yield Finding(SUBJECT, Level.WARNING, f"the doors were not tried: {error}", "run this as the server's user")
        return
    for door in _doors(status):
        problems = []
        for domain in config.domains:
            problems += [finding async for finding in _check(door, domain, pairs)]
        if not problems:
            problems = [finding async for finding in _versions(door, config.domains[0])]
        for finding in problems:
            yield finding
        if not problems:
            yield Finding(SUBJECT, Level.OK, f"{door} shows the certificate of each domain, with TLS 1.2 and 1.3")


async def _check(door: Door, domain: str, pairs: Sequence[KeyPair]) -> AsyncIterator[Finding]:
    name = certified_name(domain)
    try:
        shown = await knock(door, name)
    except (OSError, TimeoutError, ssl.SSLError, EOFError) as error:
        text = f"{door} makes no TLS for {domain}: {str(error) or type(error).__name__}"
        yield Finding(SUBJECT, Level.ERROR, text, "see the server's log, and what stands in between")
        return
    pair = next((pair for pair in pairs if pair.names.covers(name)), None)
    if pair is not None and shown.certificate != pair.chain[0].public_bytes(Encoding.DER):
        text = f"{door} shows another certificate for {domain} than that of {pair.source}"
        yield Finding(SUBJECT, Level.ERROR, text, "`xmpp-server reload`; it says what is wrong")
    if door.is_direct and shown.alpn != door.alpn:
        text = f"{door} does not speak {door.alpn} (ALPN)"
        yield Finding(SUBJECT, Level.ERROR, text, "see what ends TLS in between: it must pass ALPN on")


async def _versions(door: Door, domain: str) -> AsyncIterator[Finding]:
    """Try each version of TLS by itself (RFC 8996: 1.0 and 1.1 are over)."""
    for version in (*_OLD, *_NEW):
        try:
            await knock(door, certified_name(domain), version)
        except (OSError, TimeoutError, EOFError) as error:
            if version in _NEW:
                text = f"{door} does not speak {_title(version)}: {error}"
                yield Finding(SUBJECT, Level.WARNING, text, "see what ends TLS in between")
        else:
            if version in _OLD:
                text = f"{door} speaks {_title(version)}, which can be broken"
                yield Finding(SUBJECT, Level.ERROR, text, "see what ends TLS in between: switch it off there")


async def knock(door: Door, name: str, version: ssl.TLSVersion | None = None) -> Shown:
    """Begin TLS as one who looks for `name`, and hang up.

    Raises:
        OSError, TimeoutError, EOFError: There is no TLS (ssl.SSLError is an OSError).

    """
    context = _context(door, version)
    async with asyncio.timeout(TIMEOUT_S):
        if door.is_direct:
            _, writer = await asyncio.open_connection(door.host, door.port, ssl=context, server_hostname=name)
        else:
            reader, writer = await asyncio.open_connection(door.host, door.port)
            try:
                await _ask_for_tls(reader, writer, door, name)
                await writer.start_tls(context, server_hostname=name)
            except BaseException:
                writer.transport.abort()
                raise
    try:
        tls = writer.get_extra_info("ssl_object")
        return Shown(tls.getpeercert(binary_form=True) or b"", tls.selected_alpn_protocol())
    finally:
        writer.transport.abort()


async def _ask_for_tls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, door: Door, name: str) -> None:
    header = f"<stream:stream xmlns='{door.namespace}' xmlns:stream='http://etherx.jabber.org/streams'"
    writer.write(f"<?xml version='1.0'?>{header} to='{name}' version='1.0'>".encode())
    await _until(reader, b"</stream:features>")
    writer.write(b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
    await _until(reader, b"<proceed")


async def _until(reader: asyncio.StreamReader, wanted: bytes) -> None:
    seen = b""
    while wanted not in seen:
        data = await reader.read(_CLEAR_BYTES)
        if not data or len(seen) > _CLEAR_BYTES or b"<stream:error" in seen:
            raise EOFError("the server has ended the stream")
        seen += data


def _context(door: Door, version: ssl.TLSVersion | None) -> ssl.SSLContext:
    """Take whatever is shown: what it is worth is told elsewhere."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols([door.alpn])
    if version is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # the old versions are just what is looked for
            context.minimum_version = context.maximum_version = version
        if version in _OLD:
            context.set_ciphers("ALL:@SECLEVEL=0")  # else our own side refuses
    return context


def _doors(status: object) -> list[Door]:
    """Return the doors of the server that begin with TLS or go over to it; Unix sockets are left out."""
    addresses = msgspec.convert(status, type=dict[str, object]).get("addresses", {})
    found = []
    for key, texts in msgspec.convert(addresses, type=dict[str, list[str]]).items():
        if key not in ("c2s", "c2s_tls", "s2s", "s2s_tls"):
            continue
        for text in texts:
            with contextlib.suppress(AddressError):
                address = parse_address(text)
                if isinstance(address, tuple):
                    host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(address[0], address[0])
                    found.append(Door(key, host, address[1]))
    return found


def _title(version: ssl.TLSVersion) -> str:
    return version.name.replace("TLSv", "TLS ").replace("_", ".")
