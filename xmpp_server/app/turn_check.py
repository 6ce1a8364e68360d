"""Looks whether the STUN and TURN servers of the configuration work: a real binding, a real allocation.

A client of its own, as the libraries that speak TURN do not tell why a server refuses: that is what is asked here.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Protocol

from xmpp_server.app import stun
from xmpp_server.app.stun import Login, Request, Response, StunError
from xmpp_server.jid import JID
from xmpp_server.modules.external_services import Credentials, ExternalService, credentials

TRIES = 3
TRY_S = 1.0
"""How long an answer over UDP is waited for before it is asked again."""
STREAM_S = 5.0
DATAGRAM_BYTES = 2048
TLS_TYPES = ("stuns", "turns")

#: What to do about errors of RFC 8489 §14.8 and RFC 8656 §19.
REMEDIES: Mapping[int, str] = {
    300: "the TURN server sends clients to another one: name that one",
    401: "compare secret with static-auth-secret of the TURN server, and the clocks of both; it needs use-auth-secret",
    403: "see the allowed and denied addresses of the TURN server",
    437: "try again later",
    441: "compare secret, or username and password, with those of the TURN server",
    442: "the TURN server does not relay UDP",
    486: "raise user-quota of the TURN server",
    508: "raise total-quota, or widen min-port to max-port of the TURN server",
}


class TurnError(Exception):
    """What is wrong with a service, and what to do about it."""

    def __init__(self, text: str, remedy: str) -> None:
        super().__init__(text)
        self.remedy = remedy


class Line(Protocol):
    """A way to a server that requests go over."""

    async def ask(self, request: Request) -> Response:
        """Send a request and return its answer."""


def unchecked(service: ExternalService) -> str:
    """Tell why a service cannot be checked; "" if it can."""
    if service.type not in (*TLS_TYPES, "stun", "turn"):
        return "this is known of STUN and TURN servers only"
    if service.type in TLS_TYPES and service.real_transport == "udp":
        return "DTLS is not spoken here"
    return ""


async def check_service(service: ExternalService, user: JID, now: datetime) -> str:
    """Use a service as a client of `user` would, and tell what it did.

    Raises:
        TurnError: It does not work.

    """
    try:
        async with _line(service) as line:
            if service.type.startswith("stun"):
                return await _bind(line)
            return await _allocate(line, credentials(service, user, now))
    except StunError as error:
        raise TurnError(str(error), "see whether host and port are those of a STUN or TURN server") from None
    except socket.gaierror as error:
        raise TurnError(f"does not resolve: {error.strerror}", "see host, and its DNS records") from None
    except ssl.SSLCertVerificationError as error:
        remedy = f"the TURN server needs a certificate for {service.host}, with its chain"
        raise TurnError(f"its certificate is not trusted: {error.verify_message}", remedy) from None
    except ssl.SSLError as error:
        raise TurnError(f"TLS fails: {error.reason}", "see tls-listening-port, cert and pkey of it") from None
    except TimeoutError:
        raise TurnError("no answer", "see whether it runs, and whether a firewall lets its port through") from None
    except (ConnectionRefusedError, asyncio.IncompleteReadError):
        raise TurnError("nobody listens there", "see whether it runs, and its port and transport") from None
    except OSError as error:
        raise TurnError(f"cannot be reached: {error.strerror or error}", "see host, and the network") from None


async def _bind(line: Line) -> str:
    answer = await line.ask(stun.binding())
    if answer.error:
        raise _refusal(answer)
    if answer.mapped is None:
        raise TurnError("tells no address", "see whether it is a STUN server of RFC 5389 or later")
    return f"answers; it sees us at {answer.mapped}"


async def _allocate(line: Line, given: Credentials | None) -> str:
    """RFC 8656 §7: the first request only learns the realm."""
    answer = await line.ask(stun.allocation(None))
    if not answer.error:
        await _release(line, None)
        raise TurnError(
            "relays for anybody, without a password", "set use-auth-secret (or lt-cred-mech) there: it will be misused"
        )
    if answer.error != 401:
        raise _refusal(answer)
    if given is None:
        return "answers; there are no credentials here to try it with"
    login = Login(given.username, given.password, answer.realm, answer.nonce)
    answer = await line.ask(stun.allocation(login))
    if answer.error == 438:  # the nonce has aged meanwhile (RFC 8489 §9.2.5)
        login = Login(given.username, given.password, answer.realm or login.realm, answer.nonce)
        answer = await line.ask(stun.allocation(login))
    if answer.error:
        raise _refusal(answer)
    await _release(line, login)
    return _judge(answer)


async def _release(line: Line, login: Login | None) -> None:
    """Give the relay back; if that fails it ends by itself, after ten minutes."""
    with contextlib.suppress(TimeoutError, OSError):
        await line.ask(stun.release(login))


def _judge(answer: Response) -> str:
    """Tell what an allocation is worth: others must be able to reach it."""
    relayed, mapped = answer.relayed, answer.mapped
    if relayed is None:
        raise TurnError("allocates a relay without an address", "see its log")
    outside = mapped is not None and mapped.ip.is_global
    if relayed.ip.is_unspecified or (outside and not relayed.ip.is_global):
        raise TurnError(
            f"relays at {relayed}, which nobody outside can reach", "set external-ip (or relay-ip) of the TURN server"
        )
    return f"allocates a relay at {relayed}"


def _refusal(answer: Response) -> TurnError:
    text = f"refuses: {answer.error} {answer.reason}".rstrip()
    return TurnError(text, REMEDIES.get(answer.error, "see the log of the TURN server"))


# The ways there.


class _Datagrams:
    """STUN over UDP: what is lost is sent again (RFC 8489 §6.2.1)."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock

    async def ask(self, request: Request) -> Response:
        for _ in range(TRIES):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TRY_S):
                    return await self._exchange(request)
        raise TimeoutError

    async def _exchange(self, request: Request) -> Response:
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(self._socket, request.data)
        while True:
            answer = request.response(await loop.sock_recv(self._socket, DATAGRAM_BYTES))
            if answer is not None:  # else a late one, to a request that was given up
                return answer


class _Stream:
    """STUN over TCP or TLS."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def ask(self, request: Request) -> Response:
        async with asyncio.timeout(STREAM_S):
            self._writer.write(request.data)
            while True:
                head = await self._reader.readexactly(stun.HEADER.size)
                answer = request.response(head + await self._reader.readexactly(stun.length(head)))
                if answer is not None:
                    return answer


@asynccontextmanager
async def _line(service: ExternalService) -> AsyncIterator[Line]:
    if service.real_transport == "udp":
        with await _udp_socket(service) as sock:
            yield _Datagrams(sock)
        return
    context = ssl.create_default_context() if service.type in TLS_TYPES else None
    async with asyncio.timeout(STREAM_S):
        reader, writer = await asyncio.open_connection(service.host, service.real_port, ssl=context)
    try:
        yield _Stream(reader, writer)
    finally:
        writer.transport.abort()


async def _udp_socket(service: ExternalService) -> socket.socket:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(service.host, service.real_port, type=socket.SOCK_DGRAM)
    family, kind, protocol, _, address = found[0]
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setblocking(False)
        await loop.sock_connect(sock, address)
    except BaseException:
        sock.close()
        raise
    return sock
