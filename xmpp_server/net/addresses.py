"""Addresses to listen on: 'host:port', '[IPv6]:port', ':port' for all interfaces, 'unix:PATH'."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import stat
from collections.abc import Iterable
from ipaddress import IPv6Address, ip_address
from pathlib import Path

#: Connections that the kernel keeps for us until we accept them (also bounded by net.core.somaxconn).
BACKLOG = 1024
UNIX_PREFIX = "unix:"


class AddressError(ValueError):
    """A text is no address."""


def parse_address(text: str) -> Path | tuple[str, int]:
    """Split an address into host and port, or give the path of a Unix socket; '' and '*' are all interfaces.

    Raises:
        AddressError: It is none of the forms, or the port is not 0 to 65535.

    """
    if text.startswith(UNIX_PREFIX):
        path = text.removeprefix(UNIX_PREFIX)
        if not path:
            raise AddressError(f"{text!r}: a path is missing")
        return Path(path)
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise AddressError(f"{text!r} is not host:port")
    if host.startswith("[") and host.endswith("]"):
        return host[1:-1], int(port)
    if ":" in host:
        raise AddressError(f"{text!r}: an IPv6 address needs brackets")
    return ("" if host == "*" else host), int(port)


async def bind(texts: Iterable[str]) -> list[socket.socket]:
    """Bind and listen on all addresses, or on none of them.

    Raises:
        AddressError: One is malformed.
        OSError: One is taken, unknown or not permitted; `filename` or the text names it.

    """
    loop = asyncio.get_running_loop()
    sockets: list[socket.socket] = []
    try:
        for text in texts:
            address = parse_address(text)
            if isinstance(address, Path):
                sockets.append(_bind_unix(address))
                continue
            host, port = address
            found = await loop.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
            for family, _, _, _, name in dict.fromkeys(found):
                if opened := _bind_tcp(family, name, text, optional=not host):
                    sockets.append(opened)
    except BaseException:
        close(sockets)
        raise
    return sockets


def close(sockets: Iterable[socket.socket]) -> None:
    """Stop listening; the files of Unix sockets go away."""
    opened = list(sockets)
    remove_files(opened)
    for one in opened:
        one.close()


def remove_files(sockets: Iterable[socket.socket]) -> None:
    """Take away the files of Unix sockets that are about to be closed."""
    for one in sockets:
        if one.family == socket.AF_UNIX and one.fileno() >= 0:
            Path(one.getsockname()).unlink(missing_ok=True)


def describe(one: socket.socket) -> str:
    """The address that a socket listens on, in the form that `parse_address` takes."""
    name = one.getsockname()
    if one.family == socket.AF_UNIX:
        return f"{UNIX_PREFIX}{name}"
    host = f"[{name[0]}]" if one.family == socket.AF_INET6 else name[0]
    return f"{host}:{name[1]}"


def _bind_tcp(family: int, name: tuple[object, ...], text: str, *, optional: bool) -> socket.socket | None:
    """Listen on one TCP address; None where it is `optional` and the machine lacks the address family."""
    try:
        one = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # asyncio asks for it to set TCP_NODELAY
    except OSError as error:
        if optional and error.errno == errno.EAFNOSUPPORT:
            return None
        raise
    try:
        one.setblocking(False)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Inherited by accepted sockets: peers that vanished without a word are found in the end.
        one.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        one.bind(name)
        one.listen(BACKLOG)
    except OSError as error:
        one.close()
        if optional and error.errno == errno.EADDRNOTAVAIL:
            return None
        raise OSError(error.errno, f"cannot listen on {text}: {error.strerror}") from None
    return one


def _bind_unix(path: Path) -> socket.socket:
    """Listen on a Unix socket; a file left by a server that died is replaced, a living one is not."""
    one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        one.setblocking(False)
        if _is_stale(path):
            path.unlink()
        one.bind(os.fspath(path))
        one.listen(BACKLOG)
    except OSError as error:
        one.close()
        raise OSError(error.errno, f"cannot listen on unix:{path}: {error.strerror}") from None
    return one


def _is_stale(path: Path) -> bool:
    try:
        if not stat.S_ISSOCK(path.stat().st_mode):
            return False
    except FileNotFoundError:
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(os.fspath(path))
        except ConnectionRefusedError:
            return True
        except OSError:
            return False
    return False


def customer(host: str) -> str:
    """Return what counts as one peer: an IPv4 address, or an IPv6 /64, which belongs to one customer."""
    address = ip_address(host.partition("%")[0])
    return address.exploded[:19] if isinstance(address, IPv6Address) else host
