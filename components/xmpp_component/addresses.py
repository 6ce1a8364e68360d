"""Addresses to listen on: "host:port", "[v6]:port" and "unix:PATH"."""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
from collections.abc import Callable, Iterable
from pathlib import Path

_HOST_PORT = re.compile(r"(\[[0-9A-Fa-f:.%]+\]|[^\[\]:/\s]+):(\d{1,5})")
_TLS_HANDSHAKE_S = 15.0
_BACKLOG = 512

Factory = Callable[[], asyncio.Protocol]


class AddressError(ValueError):
    """The text is no address."""


def split(text: str) -> tuple[str, int] | Path:
    """Return host and port, or the path of a Unix socket.

    Raises:
        AddressError: The text is malformed.

    """
    if text.startswith("unix:") and len(text) > 5:
        return Path(text[5:])
    match = _HOST_PORT.fullmatch(text)
    if match is None or int(match[2]) > 65535:
        raise AddressError(f"{text!r} is neither host:port nor unix:PATH")
    return match[1].strip("[]"), int(match[2])


class Doors:
    """Listening sockets of one kind."""

    def __init__(self) -> None:
        self._servers: list[asyncio.Server] = []
        self._files: list[Path] = []

    async def open(self, texts: Iterable[str], factory: Factory, context: ssl.SSLContext | None = None) -> list[str]:
        """Listen; return the addresses with their real ports.

        Raises:
            OSError: One cannot be bound; then none is.

        """
        try:
            for text in texts:
                self._servers.append(await self._listen(split(text), factory, context))
        except OSError:
            await self.close()
            raise
        return [_described(socket.getsockname()) for server in self._servers for socket in server.sockets]

    async def close(self) -> None:
        """Listen no more; connections stay."""
        servers, self._servers = self._servers, []
        for server in servers:
            server.close()
        for path in self._files:
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
        self._files = []

    async def _listen(
        self, where: tuple[str, int] | Path, factory: Factory, context: ssl.SSLContext | None
    ) -> asyncio.Server:
        loop = asyncio.get_running_loop()
        timeout = _TLS_HANDSHAKE_S if context else None
        if isinstance(where, Path):
            self._files.append(where)
            return await loop.create_unix_server(
                factory, where, backlog=_BACKLOG, ssl=context, ssl_handshake_timeout=timeout
            )
        host, port = where
        return await loop.create_server(
            factory, host, port, backlog=_BACKLOG, ssl=context, ssl_handshake_timeout=timeout
        )


def _described(name: object) -> str:
    if isinstance(name, tuple):
        host, port = name[:2]
        return f"[{host}]:{port}" if ":" in str(host) else f"{host}:{port}"
    return f"unix:{name}"
