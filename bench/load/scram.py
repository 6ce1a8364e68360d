"""SCRAM as the client (RFC 5802), with the slow key derivation done once for a salt."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from functools import lru_cache
from typing import NamedTuple

HASH = "sha1"
MECHANISM = b"SCRAM-SHA-1"


class ScramError(Exception):
    """The server's part of the exchange is wrong."""


class ClientKeys(NamedTuple):
    """What the client needs of a password, a salt and an iteration count."""

    client_key: bytes
    stored_key: bytes
    server_key: bytes


@lru_cache(maxsize=20_000)
def client_keys(password: bytes, salt: bytes, iterations: int, hash_name: str = HASH) -> ClientKeys:
    """Derive the keys; accounts that share a salt share the work."""
    salted = hashlib.pbkdf2_hmac(hash_name, password, salt, iterations)
    client_key = hmac.digest(salted, b"Client Key", hash_name)
    return ClientKeys(
        client_key, hashlib.new(hash_name, client_key).digest(), hmac.digest(salted, b"Server Key", hash_name)
    )


class ScramClient:
    """One exchange without channel binding."""

    def __init__(self, username: bytes, password: bytes) -> None:
        self._password = password
        self._first_bare = b"n=%s,r=%s" % (username, base64.b64encode(secrets.token_bytes(15)))
        self._server_signature = b""

    def first(self) -> bytes:
        """Return the client-first-message."""
        return b"n,," + self._first_bare

    def final(self, server_first: bytes) -> bytes:
        """Answer the server-first-message with the client-final-message.

        Raises:
            ScramError: a nonce that is not ours, or a missing attribute.

        """
        fields = dict(part.split(b"=", 1) for part in server_first.split(b",") if b"=" in part)
        try:
            nonce, salt, iterations = fields[b"r"], base64.b64decode(fields[b"s"]), int(fields[b"i"])
        except (KeyError, ValueError) as error:
            raise ScramError(f"server-first-message {server_first!r}") from error
        if not nonce.startswith(self._first_bare.rsplit(b"r=", 1)[1]):
            raise ScramError("the server's nonce does not begin with ours")
        keys = client_keys(self._password, salt, iterations)
        without_proof = b"c=biws,r=" + nonce
        signed = b",".join((self._first_bare, server_first, without_proof))
        signature = hmac.digest(keys.stored_key, signed, HASH)
        proof = bytes(a ^ b for a, b in zip(keys.client_key, signature, strict=True))
        self._server_signature = hmac.digest(keys.server_key, signed, HASH)
        return without_proof + b",p=" + base64.b64encode(proof)

    def verify(self, server_final: bytes) -> None:
        """Check the server's signature; raises ScramError."""
        if server_final != b"v=" + base64.b64encode(self._server_signature):
            raise ScramError("the server's signature is wrong")
