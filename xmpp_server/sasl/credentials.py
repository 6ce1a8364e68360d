"""SCRAM credentials (RFC 5802 §3): how passwords are prepared, turned into keys and checked.

A password is prepared by the OpaqueString profile (RFC 8265 §4.2), which replaced SASLprep; both leave
printable ASCII as it is. The plain password is never kept.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from xmpp_server.precis import Profile

#: Hash names as the SCRAM mechanisms are called after them, with their names in hashlib.
HASHES: Mapping[str, str] = {"SHA-1": "sha1", "SHA-256": "sha256", "SHA-512": "sha512"}
SALT_BYTES = 16
#: Bounds what a login may cost before the key derivation, which hashes longer ones first anyway.
PASSWORD_BYTES = 1024

_OPAQUE_STRING = Profile("OpaqueString")


class PasswordError(ValueError):
    """Not a password: empty, too long, or with characters that OpaqueString refuses."""


@dataclass(frozen=True, slots=True)
class ScramKeys:
    """What is stored for a password and one hash (RFC 5802 §3)."""

    salt: bytes
    iterations: int
    stored_key: bytes = field(repr=False)
    server_key: bytes = field(repr=False)


def prepare_password(password: str) -> str:
    """Apply the OpaqueString profile.

    Raises:
        PasswordError: nothing that can be prepared.

    """
    if len(password) > PASSWORD_BYTES:
        raise PasswordError("longer than 1024 bytes")
    if not password:
        raise PasswordError("empty")
    if password.isascii() and password.isprintable():
        return password
    try:
        prepared = _OPAQUE_STRING.enforce(password)
    except ValueError as error:
        raise PasswordError("characters that OpaqueString refuses") from error
    if len(prepared.encode()) > PASSWORD_BYTES:
        raise PasswordError("longer than 1024 bytes")
    return prepared


def derive(password: str, hash_name: str, salt: bytes, iterations: int) -> ScramKeys:
    """Turn a password into keys; takes CPU time in proportion to `iterations`: run it in a worker.

    Raises:
        PasswordError: see `prepare_password`.

    """
    digest = HASHES[hash_name]
    salted = hashlib.pbkdf2_hmac(digest, prepare_password(password).encode(), salt, iterations)
    client_key = hmac.digest(salted, b"Client Key", digest)
    server_key = hmac.digest(salted, b"Server Key", digest)
    return ScramKeys(salt, iterations, hashlib.new(digest, client_key).digest(), server_key)


def derive_all(password: str, iterations: int, hash_names: Iterable[str] = HASHES) -> dict[str, ScramKeys]:
    """Make the credentials of a new password, with a fresh salt for each hash.

    Raises:
        PasswordError: see `prepare_password`.

    """
    return {name: derive(password, name, secrets.token_bytes(SALT_BYTES), iterations) for name in hash_names}


def verify_password(keys: ScramKeys, hash_name: str, password: str) -> bool:
    """Tell whether `password` belongs to `keys`; takes as long as `derive`."""
    try:
        derived = derive(password, hash_name, keys.salt, keys.iterations)
    except PasswordError:
        return False
    return hmac.compare_digest(derived.stored_key, keys.stored_key)


@lru_cache(maxsize=10_000)  # so that it takes no longer than to look real ones up
def fake_keys(server_secret: bytes, account: str, hash_name: str, iterations: int) -> ScramKeys:
    """Return keys for an account that does not exist, the same at each try: nobody learns whether it does.

    `account` is the bare JID. No password belongs to the keys. Verifying one against them takes the usual
    time, so that PLAIN tells nothing either.
    """
    digest = HASHES[hash_name]

    def secret(purpose: str) -> bytes:
        return hmac.digest(server_secret, f"{purpose}\0{hash_name}\0{account}".encode(), digest)

    return ScramKeys(secret("salt")[:SALT_BYTES], iterations, secret("stored"), secret("server"))
