"""What a stream needs to know of the server around it."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from xmpp_server.sasl.mechanism import SaslContext
from xmpp_server.xml.element import Element
from xmpp_server.xml.scanner import ScanLimits


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """Limits of one stream; times in seconds."""

    #: From the connection to a bound resource, whatever arrives meanwhile.
    negotiation_s: float = 60.0
    #: As much more, once on a stream, for a stranger who has got a form: a person fills it in.
    form_s: float = 300.0
    #: From the server's closing tag to the client's.
    close_s: float = 5.0
    #: Refusals (failed authentication, failed binding, elements out of place) before `policy-violation`;
    #: RFC 6120 §6.4.5 wants two to five retries.
    refusals: int = 5
    #: After so long a silence the client may be probed or dropped; only announced (XEP-0478). None: not announced.
    idle_s: int | None = None
    before_auth: ScanLimits = field(default_factory=ScanLimits.before_auth)
    after_auth: ScanLimits = field(default_factory=ScanLimits)


@dataclass(frozen=True, slots=True)
class Channel:
    """What authentication may build on: how the connection is protected."""

    secure: bool = False
    #: Channel binding data by type, as "tls-exporter" (RFC 9266).
    bindings: Mapping[str, bytes] = field(default_factory=dict)
    has_certificate: bool = False


class HostPolicy(Protocol):
    """One virtual host."""

    @property
    def domain(self) -> str:
        """The prepared domainpart."""

    @property
    def tls_available(self) -> bool:
        """Whether STARTTLS can be offered, that is, there is a certificate."""

    @property
    def tls_required(self) -> bool:
        """Whether to refuse authentication and registration before TLS."""

    def mechanisms(self, channel: Channel) -> tuple[str, ...]:
        """Return the SASL mechanisms to offer on such a channel, best first."""

    def sasl_context(self, channel: Channel, offered: tuple[str, ...]) -> SaslContext:
        """Return what an exchange on this channel is to know; `offered` are the mechanisms announced."""

    @property
    def written(self) -> MutableMapping[tuple[object, ...], bytes]:
        """Features as they were written for channels of each kind; the host empties it when they change."""

    def registration(self) -> Sequence[Element]:
        """Return the features that invite strangers to make accounts, none where they may not (XEP-0077 §8)."""

    def features(self) -> Sequence[Element]:
        """Return the features offered after authentication besides binding, session and limits."""


class StreamPolicy(Protocol):
    """What a stream of any kind asks of the server around it."""

    @property
    def limits(self) -> StreamLimits:
        """The limits of a new stream."""

    @property
    def default_domain(self) -> str:
        """The `from` of a response to a header that names no host of ours."""

    def stream_id(self) -> str:
        """Return a new unpredictable stream id (RFC 6120 §4.7.3)."""


class C2SPolicy(StreamPolicy, Protocol):
    """All hosts of a listener."""

    def host(self, domain: str) -> HostPolicy | None:
        """Return the host of a prepared domainpart, or None if it is not served here."""


class ComponentPolicy(StreamPolicy, Protocol):
    """All external components (XEP-0114)."""

    def secret(self, domain: str) -> str | None:
        """Return the secret of the component that serves a prepared domainpart, or None if there is none."""
