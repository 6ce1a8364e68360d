"""SCRAM-SHA-1, -SHA-256, -SHA-512 and their -PLUS: RFC 5802, RFC 7677; downgrade protection by XEP-0474."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64encode
from dataclasses import dataclass

from xmpp_server.errors import SaslCondition, SaslError
from xmpp_server.jid import JID
from xmpp_server.sasl.channel_binding import PLUS, advertised
from xmpp_server.sasl.credentials import HASHES, ScramKeys, fake_keys
from xmpp_server.sasl.mechanism import (
    Ask,
    Challenge,
    CredentialsQuery,
    Disabled,
    Exchange,
    SaslContext,
    Step,
    Success,
    check_authzid,
    not_authorized,
    prepare_username,
)
from xmpp_server.sasl.scram_messages import ClientFirst, parse_client_final, parse_client_first


@dataclass(frozen=True, slots=True)
class _Challenged:
    """What the exchange knows after the challenge; `refusal` is kept until the proof is in."""

    keys: ScramKeys
    nonce: str
    server_first: bytes
    refusal: SaslError | None


_NOTHING_SAID = ClientFirst(b"", b"", flag="n", binding="", authzid="", username="", nonce="")


class Scram(Exchange):
    """One exchange; an unknown user gets a challenge like anybody, and fails at the proof."""

    __slots__ = ("_challenged", "_digest", "_first", "_hash_name", "_plus", "_username")

    def __init__(self, context: SaslContext, hash_name: str, *, plus: bool) -> None:
        super().__init__(context)
        self._hash_name = hash_name
        self._digest = HASHES[hash_name]
        self._plus = plus
        self._username = ""
        self._first = _NOTHING_SAID
        self._challenged: _Challenged | None = None

    def _received(self, data: bytes) -> Step:
        if self._challenged is None:
            return self._received_first(data)
        return self._received_final(data, self._challenged)

    def _received_first(self, data: bytes) -> Step:
        first = parse_client_first(data)
        self._check_flag(first)
        domain = self.context.domain
        self._username = prepare_username(first.username, domain)
        check_authzid(first.authzid, self._username, domain)
        self._first = first
        return Ask(CredentialsQuery(self._username, self._hash_name))

    def _check_flag(self, first: ClientFirst) -> None:
        """Apply the rules of channel binding (RFC 5802 §6)."""
        if first.flag == "y" and any(name.endswith(PLUS) for name in self.context.offered):
            # The client did not see what was offered: somebody in the middle has taken it away.
            raise SaslError(SaslCondition.NOT_AUTHORIZED, "server-does-support-channel-binding")
        if self._plus != (first.flag == "p"):
            raise SaslError(SaslCondition.MALFORMED_REQUEST, "Channel binding goes with -PLUS, and only with it")
        if self._plus and first.binding not in self.context.channel_bindings:
            raise SaslError(SaslCondition.MALFORMED_REQUEST, "unsupported-channel-binding-type")

    def _answered(self, value: ScramKeys | Disabled | bool | str | None) -> Step:
        refusal = None
        if isinstance(value, Disabled):
            keys = value.keys
            refusal = SaslError(SaslCondition.ACCOUNT_DISABLED, "The account is disabled")
        elif isinstance(value, ScramKeys):
            keys = value
        else:
            account = str(JID.of(self._username, self.context.domain))
            keys = fake_keys(self.context.fake_salt_key, account, self._hash_name, self.context.iterations)
            refusal = not_authorized()
        nonce = self._first.nonce + self.context.nonce()
        server_first = f"r={nonce},s={b64encode(keys.salt).decode()},i={keys.iterations}"
        if self.context.downgrade_protection:
            server_first += f",h={b64encode(offer_hash(self.context, self._digest)).decode()}"
        self._challenged = _Challenged(keys, nonce, server_first.encode(), refusal)
        return Challenge(self._challenged.server_first)

    def _received_final(self, data: bytes, challenged: _Challenged) -> Step:
        first = self._first
        final = parse_client_final(data)
        binding = first.gs2_header
        if self._plus:
            binding += self.context.channel_bindings[first.binding]
        keys = challenged.keys
        message = b",".join((first.bare, challenged.server_first, final.unproven))
        right = (
            # All is compared before anything is told: neither time nor text says what was wrong.
            hmac.compare_digest(final.binding, binding)
            & hmac.compare_digest(final.nonce, challenged.nonce)
            & self._proves(keys, message, final.proof)
        )
        if not right:
            raise not_authorized()
        if challenged.refusal is not None:
            raise challenged.refusal
        signature = hmac.digest(keys.server_key, message, self._digest)
        return Success(self._username, b"v=" + b64encode(signature))

    def _proves(self, keys: ScramKeys, message: bytes, proof: bytes) -> bool:
        """Tell whether the proof shows the client key that was stored hashed (RFC 5802 §3)."""
        signature = hmac.digest(keys.stored_key, message, self._digest)
        if len(proof) != len(signature):
            return False
        client_key = bytes(a ^ b for a, b in zip(proof, signature, strict=True))
        return hmac.compare_digest(hashlib.new(self._digest, client_key).digest(), keys.stored_key)


def offer_hash(context: SaslContext, digest: str) -> bytes:
    """Hash what the stream has announced: the client sees whether it was changed (XEP-0474 §5.1)."""
    text = "\x1e".join(sorted(context.offered))
    bindings = advertised(context.offered, context.channel_bindings)
    if bindings:
        text += "\x1f" + "\x1e".join(bindings)
    return hashlib.new(digest, text.encode()).digest()
