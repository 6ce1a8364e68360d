"""A stream's context for exchanges, and a SCRAM client written from RFC 5802 §3 alone."""

import hashlib
import hmac
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from xmpp_server.sasl.mechanism import SaslContext

ALL = (
    "SCRAM-SHA-512-PLUS",
    "SCRAM-SHA-512",
    "SCRAM-SHA-256-PLUS",
    "SCRAM-SHA-256",
    "SCRAM-SHA-1-PLUS",
    "SCRAM-SHA-1",
    "PLAIN",
    "EXTERNAL",
    "ANONYMOUS",
)
BINDINGS = {"tls-exporter": b"exported, here", "tls-server-end-point": b"\0certificate\xff"}

MakeContext = Callable[..., SaslContext]


@pytest.fixture
def make_context() -> MakeContext:
    def make(**changes: object) -> SaslContext:
        values: dict[str, object] = {
            "domain": "example.org",
            "secure": True,
            "offered": ALL,
            "fake_salt_key": b"a lasting secret",
            "iterations": 4096,
            "channel_bindings": BINDINGS,
            "nonce": lambda: "servernonce",
        }
        return SaslContext(**(values | changes))  # type: ignore[arg-type]

    return make


@pytest.fixture
def context(make_context: MakeContext) -> SaslContext:
    return make_context()


@dataclass
class ScramClient:
    """What a client does with `user` and `password`; `binding` is what it sees on its side of TLS."""

    digest: str
    user: str = "user"
    password: str = "pencil"
    gs2: str = "n,,"
    binding: bytes = b""
    nonce: str = "clientnonce"
    attributes: dict[str, str] = field(default_factory=dict)
    signature: bytes = b""

    def first(self) -> bytes:
        return f"{self.gs2}{self._bare()}".encode()

    def final(self, server_first: bytes, extra: str = "") -> bytes:
        self.attributes = dict(part.split("=", 1) for part in server_first.decode().split(","))  # type: ignore[misc]
        salt, iterations = b64decode(self.attributes["s"]), int(self.attributes["i"])
        salted = hashlib.pbkdf2_hmac(self.digest, self.password.encode(), salt, iterations)
        channel = b64encode(self.gs2.encode() + self.binding).decode()
        unproven = f"c={channel},r={self.attributes['r']}{extra}"
        message = f"{self._bare()},{server_first.decode()},{unproven}".encode()
        client_key = self._hmac(salted, b"Client Key")
        proof = self._hmac(hashlib.new(self.digest, client_key).digest(), message)
        xored = bytes(a ^ b for a, b in zip(client_key, proof, strict=True))
        self.signature = b"v=" + b64encode(self._hmac(self._hmac(salted, b"Server Key"), message))
        return f"{unproven},p={b64encode(xored).decode()}".encode()

    def _bare(self) -> str:
        name = self.user.replace("=", "=3D").replace(",", "=2C")
        return f"n={name},r={self.nonce}"

    def _hmac(self, key: bytes, message: bytes) -> bytes:
        return hmac.new(key, message, self.digest).digest()


@pytest.fixture
def scram_client() -> type[ScramClient]:
    return ScramClient
