"""RFC 8489 (STUN) and RFC 8656 (TURN): the messages that `check turn` needs, and nothing that a call needs."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address

COOKIE = 0x2112A442
HEADER = struct.Struct("!HHI12s")
_ATTRIBUTE = struct.Struct("!HH")
_FINGERPRINT = 0x5354554E
_UDP = 17
#: A class is two bits of the message type, in its fifth and ninth place (RFC 8489 §5).
_SUCCESS, _ERROR = 0x0100, 0x0110


class Method(IntEnum):
    """What is asked for."""

    BINDING = 0x001
    ALLOCATE = 0x003
    REFRESH = 0x004


class Attribute(IntEnum):
    """What a message may hold; others are skipped."""

    USERNAME = 0x0006
    MESSAGE_INTEGRITY = 0x0008
    ERROR_CODE = 0x0009
    LIFETIME = 0x000D
    REALM = 0x0014
    NONCE = 0x0015
    XOR_RELAYED_ADDRESS = 0x0016
    REQUESTED_TRANSPORT = 0x0019
    XOR_MAPPED_ADDRESS = 0x0020
    FINGERPRINT = 0x8028


class StunError(ValueError):
    """Bytes that are no STUN message."""


@dataclass(frozen=True, slots=True)
class Login:
    """Long-term credentials, with the realm and nonce that the server has given (RFC 8489 §9.2)."""

    username: str
    password: str
    realm: bytes
    nonce: bytes

    @property
    def key(self) -> bytes:
        """What integrity is made with."""
        text = b":".join((self.username.encode(), self.realm, self.password.encode()))
        return hashlib.md5(text, usedforsecurity=False).digest()


@dataclass(frozen=True, slots=True)
class Address:
    """A transport address."""

    ip: IPv4Address | IPv6Address
    port: int

    def __str__(self) -> str:
        return f"[{self.ip}]:{self.port}" if self.ip.version == 6 else f"{self.ip}:{self.port}"


@dataclass(frozen=True, slots=True)
class Response:
    """An answer: `error` is 0 for success."""

    error: int
    reason: str
    realm: bytes
    nonce: bytes
    mapped: Address | None
    relayed: Address | None


class Request:
    """One request, and the recognition of its answer."""

    def __init__(
        self,
        method: Method,
        attributes: Sequence[tuple[Attribute, bytes]],
        login: Login | None,
        transaction: bytes | None = None,
    ) -> None:
        self._method = method
        self._transaction = transaction or secrets.token_bytes(12)
        self._key = None if login is None else login.key
        parts = list(attributes)
        if login is not None:
            parts += [
                (Attribute.USERNAME, login.username.encode()),
                (Attribute.NONCE, login.nonce),
                (Attribute.REALM, login.realm),
            ]
        body = b"".join(_attribute(kind, value) for kind, value in parts)
        if self._key is not None:
            # the length in the header is that of a message which ends with this attribute (RFC 8489 §14.5)
            covered = self._head(len(body) + 24) + body
            body += _attribute(Attribute.MESSAGE_INTEGRITY, hmac.digest(self._key, covered, "sha1"))
        checked = self._head(len(body) + 8) + body
        mark = (zlib.crc32(checked) ^ _FINGERPRINT).to_bytes(4, "big")
        self.data = checked + _attribute(Attribute.FINGERPRINT, mark)

    def _head(self, length: int) -> bytes:
        return HEADER.pack(self._method, length, COOKIE, self._transaction)

    def response(self, data: bytes) -> Response | None:
        """Read a message; None if it is not the answer, or was not made with the password of the request.

        Raises:
            StunError: It is no STUN message.

        """
        kind, transaction, values = _read(data)
        if transaction != self._transaction or kind not in (self._method | _SUCCESS, self._method | _ERROR):
            return None
        failed = kind == self._method | _ERROR
        if self._key is not None and not failed and not _is_genuine(data, self._key):
            return None
        error, reason = _error(values.get(Attribute.ERROR_CODE, b"")) if failed else (0, "")
        return Response(
            error=error,
            reason=reason,
            realm=values.get(Attribute.REALM, b""),
            nonce=values.get(Attribute.NONCE, b""),
            mapped=_address(values.get(Attribute.XOR_MAPPED_ADDRESS), transaction),
            relayed=_address(values.get(Attribute.XOR_RELAYED_ADDRESS), transaction),
        )


def binding() -> Request:
    """Ask for the address that we have as seen from there."""
    return Request(Method.BINDING, (), None)


def allocation(login: Login | None) -> Request:
    """Ask for a relay of UDP (RFC 8656 §7.1); without a login to be told the realm."""
    return Request(Method.ALLOCATE, [(Attribute.REQUESTED_TRANSPORT, bytes((_UDP, 0, 0, 0)))], login)


def release(login: Login | None) -> Request:
    """Give a relay back (RFC 8656 §8)."""
    return Request(Method.REFRESH, [(Attribute.LIFETIME, bytes(4))], login)


def length(head: bytes) -> int:
    """Return how many bytes follow a header, for streams (RFC 8489 §6.2.2).

    Raises:
        StunError: It is no header of STUN.

    """
    kind, size, cookie, _ = HEADER.unpack(head)
    if kind & 0xC000 or cookie != COOKIE or size % 4:
        raise StunError("the answer is not STUN")
    return int(size)


def _attribute(kind: int, value: bytes) -> bytes:
    return _ATTRIBUTE.pack(kind, len(value)) + value + bytes(-len(value) % 4)


def _read(data: bytes) -> tuple[int, bytes, dict[int, bytes]]:
    if len(data) < HEADER.size or length(data[: HEADER.size]) != len(data) - HEADER.size:
        raise StunError("the answer is not STUN")
    kind, _, _, transaction = HEADER.unpack_from(data)
    values: dict[int, bytes] = {}
    at = HEADER.size
    while at < len(data):
        number, size = _ATTRIBUTE.unpack_from(data, at)  # all lengths are multiples of four: there are four bytes
        at += _ATTRIBUTE.size
        if at + size + -size % 4 > len(data):
            raise StunError("an attribute is longer than the answer")
        if Attribute.MESSAGE_INTEGRITY not in values:  # what comes behind is not covered (RFC 8489 §14.5)
            values.setdefault(number, data[at : at + size])
        at += size + -size % 4
    return kind, transaction, values


def _is_genuine(data: bytes, key: bytes) -> bool:
    at = HEADER.size
    while at < len(data):  # `_read` has found all lengths to be right
        number, size = _ATTRIBUTE.unpack_from(data, at)
        if number == Attribute.MESSAGE_INTEGRITY:
            kind, _, cookie, transaction = HEADER.unpack_from(data)
            head = HEADER.pack(kind, at + 24 - HEADER.size, cookie, transaction)
            made = hmac.digest(key, head + data[HEADER.size : at], "sha1")
            return hmac.compare_digest(made, data[at + 4 : at + 24])
        at += _ATTRIBUTE.size + size + -size % 4
    return False


def _error(value: bytes) -> tuple[int, str]:
    if len(value) < 4:
        return 500, "no reason given"
    return (value[2] & 7) * 100 + value[3], value[4:].decode("utf-8", "replace")


def _address(value: bytes | None, transaction: bytes) -> Address | None:
    """Read an address that is mixed with the header, so that no router rewrites it (RFC 8489 §14.2)."""
    if value is None or len(value) not in (8, 20):
        return None
    mask = COOKIE.to_bytes(4, "big") + transaction
    port = int.from_bytes(value[2:4], "big") ^ COOKIE >> 16
    packed = bytes(one ^ other for one, other in zip(value[4:], mask, strict=False))
    return Address(IPv4Address(packed) if len(packed) == 4 else IPv6Address(packed), port)
