"""POSH documents: which certificates a domain says are its own (RFC 7711 §3)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import msgspec

#: So many certificates a domain may have.
FINGERPRINTS = 32


class PoshError(Exception):
    """A domain has no document, or none that counts; the text says why."""


@dataclass(frozen=True, slots=True)
class Document:
    """What a web server says."""

    #: Hash and name of the hash function, the strongest of each certificate.
    fingerprints: tuple[tuple[str, bytes], ...]
    #: Where somebody else says it.
    url: str
    #: How long it is true.
    expires_s: float

    def names(self, certificate: bytes) -> bool:
        """Tell whether a certificate (DER) is one of the domain's."""
        return any(
            hmac.compare_digest(_HASHES[function](certificate).digest(), digest)
            for function, digest in self.fingerprints
        )


class _Json(msgspec.Struct):
    """The members of either kind of document (RFC 7711 §3)."""

    expires: float
    fingerprints: list[dict[str, str]] = []
    url: str = ""


def parse(body: bytes) -> Document:
    """Read a document: of fingerprints, or one that refers to another.

    Raises:
        PoshError: It is neither.

    """
    try:
        found = msgspec.json.decode(body, type=_Json)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise PoshError(f"the document cannot be read: {error}") from None
    if not found.expires > 0:
        raise PoshError("the document has expired")
    fingerprints = tuple(filter(None, map(_strongest, found.fingerprints[:FINGERPRINTS])))
    if not fingerprints and not found.url:
        raise PoshError("the document has no fingerprints that can be used")
    return Document(fingerprints, found.url, found.expires)


def _strongest(hashes: Mapping[str, str]) -> tuple[str, bytes] | None:
    """Return the best of the fingerprints of one certificate."""
    for function in _HASHES:
        if function in hashes:
            try:
                return function, base64.b64decode(hashes[function], validate=True)
            except (binascii.Error, ValueError):
                return None
    return None


#: By the names of RFC 7711 §3.1 (those of IANA), the strongest first; what is not here is too weak.
_HASHES: Mapping[str, Callable[[bytes], hashlib._Hash]] = MappingProxyType(
    {"sha-512": hashlib.sha512, "sha-384": hashlib.sha384, "sha-256": hashlib.sha256}
)
