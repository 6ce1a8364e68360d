"""Connects to other servers: all addresses of a target, raced (RFC 8305), within a time limit."""

from __future__ import annotations

import asyncio
import socket
from ipaddress import IPv6Address, ip_address
from typing import TypeAlias

import aiohappyeyeballs

from xmpp_server.net.connection import Connection, ConnectionHandler, TlsSide
from xmpp_server.net.dns import Resolver, Target
from xmpp_server.net.loop_io import LoopIO

#: How long one target may take to accept a connection.
CONNECT_S = 8.0
#: How long an address has a lead before the next one is tried as well (RFC 8305 §5).
LEAD_S = 0.25
#: A connection on which nothing that was sent is confirmed for so long is dead, and one that is silent is asked then:
#: the kernel's own limits are a quarter of an hour, and two hours.
DEAD_S = 60
_ASK_EVERY_S = 20

_Name: TypeAlias = tuple[str, int] | tuple[str, int, int, int]
_Info: TypeAlias = tuple[int, int, int, str, _Name]


class Dialer:
    """Opens connections for one event loop."""

    def __init__(self, io: LoopIO, resolver: Resolver, *, limit_bytes: int) -> None:
        """Prepare; `limit_bytes` is how much may wait to be sent on one connection."""
        self._io = io
        self._resolver = resolver
        self._limit_bytes = limit_bytes

    async def connect(self, target: Target, handler: ConnectionHandler, tls: TlsSide | None) -> None:
        """Connect `handler` to a target; with `tls` the connection begins with the handshake.

        Raises:
            NoServerError, LookupFailedError: See `Resolver.addresses`.
            OSError: No address accepts the connection (TimeoutError is one).

        """
        async with asyncio.timeout(CONNECT_S):
            addresses = await self._resolver.addresses(target.host)
            infos = [_info(address, target.port) for address in addresses]
            opened = await aiohappyeyeballs.start_connection(
                infos, happy_eyeballs_delay=LEAD_S, interleave=1, loop=self._io.loop
            )
            try:
                _watch(opened)
                await self._io.loop.create_connection(
                    lambda: Connection(self._io, handler, limit_bytes=self._limit_bytes, tls=tls), sock=opened
                )
            except BaseException:
                opened.close()
                raise


def _watch(opened: socket.socket) -> None:
    """Let the kernel find out when the peer is gone without a word."""
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (
        (socket.TCP_USER_TIMEOUT, DEAD_S * 1000),
        (socket.TCP_KEEPIDLE, DEAD_S),
        (socket.TCP_KEEPINTVL, _ASK_EVERY_S),
    ):
        opened.setsockopt(socket.IPPROTO_TCP, option, value)


def _info(address: str, port: int) -> _Info:
    six = isinstance(ip_address(address), IPv6Address)
    name: _Name = (address, port, 0, 0) if six else (address, port)
    return (socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", name)
