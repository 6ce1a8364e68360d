"""The messages of SCRAM: parsed strictly by the grammar of RFC 5802 §7."""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass

from xmpp_server.errors import SaslCondition, SaslError
from xmpp_server.sasl.mechanism import decode

# An extension is a letter and a value without NUL and comma. 'm' is reserved and must be refused (§5.1).
_EXTENSIONS = r"(?:,(?!m=)[A-Za-z]=[^\0,]+)*"
_PRINTABLE = r"[\x21-\x2b\x2d-\x7e]+"
_SASLNAME = r"(?:[^\0,=]|=2C|=3D)+"

_CLIENT_FIRST = re.compile(
    rf"(?P<gs2>(?:(?P<flag>[ny])|p=(?P<binding>[A-Za-z0-9.-]+)),(?:a=(?P<authzid>{_SASLNAME}))?,)"
    rf"(?P<bare>n=(?P<username>{_SASLNAME}),r=(?P<nonce>{_PRINTABLE}){_EXTENSIONS})",
    re.DOTALL,
)
_BASE64 = r"[A-Za-z0-9+/]+={0,2}"
_CLIENT_FINAL = re.compile(
    rf"(?P<unproven>c=(?P<binding>{_BASE64}),r=(?P<nonce>{_PRINTABLE}){_EXTENSIONS}),p=(?P<proof>{_BASE64})",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class ClientFirst:
    """`client-first-message`. `flag` is "n", "y" or "p"; `binding` names the channel binding of a "p"."""

    gs2_header: bytes
    bare: bytes
    flag: str
    binding: str
    authzid: str
    username: str
    nonce: str


@dataclass(frozen=True, slots=True)
class ClientFinal:
    """`client-final-message`; `unproven` is all before `,p=`."""

    unproven: bytes
    binding: bytes
    nonce: str
    proof: bytes


def parse_client_first(data: bytes) -> ClientFirst:
    """Parse the first message of the client.

    Raises:
        SaslError: malformed-request.

    """
    match = _CLIENT_FIRST.fullmatch(decode(data))
    if match is None:
        raise _malformed()
    return ClientFirst(
        gs2_header=match["gs2"].encode(),
        bare=match["bare"].encode(),
        flag=match["flag"] or "p",
        binding=match["binding"] or "",
        authzid=_saslname(match["authzid"] or ""),
        username=_saslname(match["username"]),
        nonce=match["nonce"],
    )


def parse_client_final(data: bytes) -> ClientFinal:
    """Parse the last message of the client.

    Raises:
        SaslError: malformed-request.

    """
    match = _CLIENT_FINAL.fullmatch(decode(data))
    if match is None:
        raise _malformed()
    return ClientFinal(
        unproven=match["unproven"].encode(),
        binding=_base64(match["binding"]),
        nonce=match["nonce"],
        proof=_base64(match["proof"]),
    )


def _saslname(written: str) -> str:
    return written.replace("=2C", ",").replace("=3D", "=")


def _base64(text: str) -> bytes:
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except binascii.Error:
        raise _malformed() from None


def _malformed() -> SaslError:
    return SaslError(SaslCondition.MALFORMED_REQUEST, "Not a SCRAM message")
