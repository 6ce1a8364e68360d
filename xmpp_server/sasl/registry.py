"""The mechanisms: which of them a stream may offer (RFC 6120 §6.3), and a new exchange by name."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from types import MappingProxyType

from xmpp_server.errors import SaslCondition, SaslError
from xmpp_server.sasl.anonymous import Anonymous
from xmpp_server.sasl.channel_binding import PLUS
from xmpp_server.sasl.credentials import HASHES
from xmpp_server.sasl.external import External
from xmpp_server.sasl.mechanism import Exchange, SaslContext
from xmpp_server.sasl.plain import Plain
from xmpp_server.sasl.scram import Scram

_STRONGEST_FIRST = tuple(HASHES)[::-1]

#: All mechanisms that can be configured.
MECHANISMS: Mapping[str, Callable[[SaslContext], Exchange]] = MappingProxyType(
    {
        "EXTERNAL": External,
        **{f"SCRAM-{name}{PLUS}": partial(Scram, hash_name=name, plus=True) for name in _STRONGEST_FIRST},
        **{f"SCRAM-{name}": partial(Scram, hash_name=name, plus=False) for name in _STRONGEST_FIRST},
        "PLAIN": Plain,
        "ANONYMOUS": Anonymous,
    }
)


def offered(
    allowed: Iterable[str], *, secure: bool, channel_bindings: Collection[str], certificate: bool
) -> tuple[str, ...]:
    """Return the `allowed` mechanisms, in their order, that the stream can offer in its state.

    PLAIN, EXTERNAL and -PLUS need TLS, EXTERNAL a client certificate, -PLUS channel binding data. Whether
    anything is offered without TLS is for the stream to say.

    Raises:
        ValueError: a name that is none of `MECHANISMS`.

    """
    names = tuple(allowed)
    unknown = [name for name in names if name not in MECHANISMS]
    if unknown:
        raise ValueError(f"unknown mechanisms: {', '.join(unknown)}")

    def possible(name: str) -> bool:
        if name == "EXTERNAL":
            return secure and certificate
        if name.endswith(PLUS):
            return secure and bool(channel_bindings)
        return secure or name != "PLAIN"

    return tuple(name for name in names if possible(name))


def create(name: str, context: SaslContext) -> Exchange:
    """Begin an exchange of a mechanism that was offered; others are never served.

    Raises:
        SaslError: encryption-required where only TLS is missing (RFC 6120 §6.5.4), else invalid-mechanism.

    """
    if name not in context.offered:
        if name in MECHANISMS and not context.secure:
            raise SaslError(SaslCondition.ENCRYPTION_REQUIRED, "Begin TLS first")
        raise SaslError(SaslCondition.INVALID_MECHANISM, "The mechanism is not offered")
    return MECHANISMS[name](context)
