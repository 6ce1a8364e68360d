"""RFC 6120 for servers: what streams between servers have in common, in either direction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from types import MappingProxyType
from typing import Final, Protocol

from xmpp_server.errors import StreamCondition, StreamError
from xmpp_server.streams.policy import StreamPolicy
from xmpp_server.xml.element import Element, tag
from xmpp_server.xml.namespaces import CLIENT, DIALBACK, SERVER, STREAM, STREAM_LIMITS, TLS
from xmpp_server.xml.scanner import StreamHeader
from xmpp_server.xml.stanza import Stanza
from xmpp_server.xml.writer import escape_attr

STANZAS: Final = frozenset({"message", "presence", "iq"})
EXTERNAL: Final = "EXTERNAL"
DIALBACK_METHOD: Final = "dialback"
PROCEED: Final = f"<proceed xmlns='{TLS}'/>".encode()
STARTTLS: Final = f"<starttls xmlns='{TLS}'/>".encode()
BIDI: Final = "urn:xmpp:bidi"  # XEP-0288
#: Elements of XEP-0198 that pass to the driver. Streams between servers are not resumed.
MANAGEMENT: Final = frozenset({"enable", "enabled", "failed", "r", "a"})
BIDI_FEATURE: Final = "urn:xmpp:features:bidi"
#: RFC 6120 §13.12: everybody takes stanzas of so many bytes.
LEAST_STANZA_BYTES: Final = 10_000


class Purpose(Enum):
    """What an outgoing stream is for."""

    #: Stanzas.
    STANZAS = auto()
    #: Questions to an authoritative server (XEP-0220 §2.2.2), for which nobody has to be authenticated.
    VERIFY = auto()


@dataclass(frozen=True, slots=True)
class Rules:
    """What is asked of peers."""

    require_tls: bool = True
    #: A certificate that does not prove its domain is made up for by dialback (RFC 7590 §3.4).
    dialback: bool = True


class FederationPolicy(StreamPolicy, Protocol):
    """The server, to its streams with other servers."""

    @property
    def rules(self) -> Rules:
        """What is asked of peers."""

    @property
    def secret(self) -> bytes:
        """What dialback keys are made with."""

    def serves(self, domain: str) -> bool:
        """Tell whether a prepared domain is ours: a host, a service of one, a component."""

    def admits(self, remote: str, local: str) -> bool:
        """Tell whether a remote domain may send to one of ours."""


def write_header(sender: str | None, target: str | None, stream_id: str | None) -> bytes:
    """Write a stream header (RFC 6120 §4.7, XEP-0220 §2.1)."""
    given = (("from", sender), ("to", target), ("id", stream_id))
    attributes = "".join(f" {name}='{escape_attr(value)}'" for name, value in given if value is not None)
    return (
        f"<?xml version='1.0'?><stream:stream xmlns='{SERVER}' xmlns:stream='{STREAM}' xmlns:db='{DIALBACK}'"
        f"{attributes} version='1.0' xml:lang='en'>"
    ).encode()


def check_namespace(header: StreamHeader) -> None:
    """Refuse a stream whose content is not `jabber:server` (RFC 6120 §4.8.3).

    Raises:
        StreamError: `invalid-namespace`.

    """
    if header.default_ns != SERVER and SERVER not in header.namespaces.values():
        raise StreamError(StreamCondition.INVALID_NAMESPACE, "Only jabber:server is spoken here")


def stream_error(element: Stanza) -> StreamError:
    """Read the peer's <stream:error/> (RFC 6120 §4.9.2)."""
    first = element.element.first
    text = next((child.text for child in element.element.elements() if child.name == "text"), "")
    condition = _CONDITIONS.get("" if first is None else first.name, StreamCondition.UNDEFINED_CONDITION)
    return PeerError(condition, text[:200])


def longest_stanza(features: Element, otherwise: int) -> int:
    """Return how many bytes of one stanza a peer takes, if its features tell (XEP-0478), else `otherwise`."""
    limits = features.find("limits", STREAM_LIMITS)
    most = None if limits is None else limits.find("max-bytes", STREAM_LIMITS)
    text = "" if most is None else most.text.strip()
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        return otherwise
    return max(int(text), LEAST_STANZA_BYTES)


def to_client(element: Stanza) -> None:
    """Let a stanza that names jabber:server itself look like any other; its bytes do already (RFC 6120 §4.8.3)."""
    old = element.ns
    element.ns = CLIENT
    element.children = tuple(
        [tag(CLIENT, child.rpartition(" ")[2]) if child.startswith(f"{old} ") else child for child in element.children]
    )


class PeerError(StreamError):
    """The peer has ended the stream with this error; it is not sent back."""


_CONDITIONS: Mapping[str, StreamCondition] = MappingProxyType({member.value: member for member in StreamCondition})
