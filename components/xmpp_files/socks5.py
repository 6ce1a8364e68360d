"""SOCKS5 (RFC 1928) as bytestream proxies speak it, bytes in, bytes out (XEP-0065 §5.3)."""

from __future__ import annotations

from enum import Enum, auto

VERSION = 5
_NO_AUTHENTICATION, _NO_METHOD = 0, 0xFF
_CONNECT, _DOMAIN = 1, 3
_GENERAL_FAILURE, _COMMAND_NOT_SUPPORTED, _ADDRESS_NOT_SUPPORTED = 1, 7, 8
#: SHA-1 in hexadecimal, which stands where the host name does.
HASH_CHARS = 40
_HEX = frozenset(b"0123456789abcdefABCDEF")
_LONGEST = 2 + 255 + 4 + 1 + 255 + 2


class SocksError(Exception):
    """The peer speaks no SOCKS5, or asks for what there is not; `reply` is what it is told, maybe nothing."""

    def __init__(self, reason: str, reply: bytes = b"") -> None:
        super().__init__(reason)
        self.reply = reply


class State(Enum):
    """Where the handshake is."""

    METHODS = auto()
    REQUEST = auto()
    DONE = auto()


class Handshake:
    """The server's side of one handshake, at any chunking; takes nothing after its end."""

    def __init__(self) -> None:
        self.state = State.METHODS
        self._received = bytearray()
        #: The hash that the peer asks for, in lower case, once the state is DONE.
        self.address = ""

    def receive(self, data: bytes) -> bytes:
        """Return what to answer.

        Raises:
            SocksError: Send its reply and close.

        """
        self._received += data
        if len(self._received) > _LONGEST:
            raise SocksError("too much before the end of the handshake")
        answer = self._methods() if self.state is State.METHODS else b""
        return answer + (self._request() if self.state is State.REQUEST else b"")

    def accepted(self) -> bytes:
        """Return the reply to the request: BND.ADDR and BND.PORT are those of the request (XEP-0065 §5.3.2)."""
        return _reply(0, self.address.encode())

    def refused(self) -> bytes:
        """Return the reply that there is no room."""
        return _reply(_GENERAL_FAILURE, self.address.encode())

    def _methods(self) -> bytes:
        received = self._received
        if received and received[0] != VERSION:
            raise SocksError("not SOCKS5")
        if len(received) < 2 or len(received) < 2 + received[1]:
            return b""
        methods = received[2 : 2 + received[1]]
        del received[: 2 + len(methods)]
        if _NO_AUTHENTICATION not in methods:
            raise SocksError("no common method", bytes([VERSION, _NO_METHOD]))
        self.state = State.REQUEST
        return bytes([VERSION, _NO_AUTHENTICATION])

    def _request(self) -> bytes:
        received = self._received
        if received and received[0] != VERSION:
            raise SocksError("not SOCKS5")
        if len(received) < 5:
            return b""
        _, command, _, kind, length = received[:5]
        if command != _CONNECT:
            raise SocksError("not CONNECT", _reply(_COMMAND_NOT_SUPPORTED))
        if kind != _DOMAIN or length != HASH_CHARS:
            raise SocksError("no hash", _reply(_ADDRESS_NOT_SUPPORTED))
        if len(received) < 5 + length + 2:
            return b""
        address, port = received[5 : 5 + length], received[5 + length : 7 + length]
        if not _HEX.issuperset(address) or any(port):
            raise SocksError("no hash", _reply(_ADDRESS_NOT_SUPPORTED))
        if len(received) > 7 + length:
            raise SocksError("data before the answer")
        self.address = address.decode().lower()
        self.state = State.DONE
        return b""


def _reply(code: int, address: bytes = b"") -> bytes:
    return bytes([VERSION, code, 0, _DOMAIN, len(address)]) + address + b"\0\0"
