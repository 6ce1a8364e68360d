"""RFC 6120 §4.3.2: stream features, before and after authentication."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from xmpp_server.sasl.channel_binding import advertised
from xmpp_server.streams.policy import Channel, HostPolicy, StreamLimits
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import BIND, SASL, SASL_CHANNEL_BINDING, SESSION, STREAM_LIMITS, TLS
from xmpp_server.xml.writer import serialize


def offers_starttls(host: HostPolicy, channel: Channel) -> bool:
    """Whether the client may, or must, begin TLS now."""
    return host.tls_available and not channel.secure


def takes_passwords(host: HostPolicy, channel: Channel) -> bool:
    """Whether the client may authenticate or register now: not before a required TLS (RFC 6120 §5.3.1)."""
    return channel.secure or not host.tls_required


def offered_mechanisms(host: HostPolicy, channel: Channel) -> tuple[str, ...]:
    """Return the SASL mechanisms on offer."""
    return host.mechanisms(channel) if takes_passwords(host, channel) else ()


def before_authentication(host: HostPolicy, channel: Channel, limits: StreamLimits) -> bytes:
    """Write what a client may negotiate before it has authenticated."""
    registration = host.registration()
    key = (channel.secure, tuple(channel.bindings), channel.has_certificate, len(registration), limits)
    written = host.written.get(key)
    if written is None:
        written = host.written[key] = _before(host, channel, registration, limits)
    return written


def after_authentication(host: HostPolicy, limits: StreamLimits) -> bytes:
    """Write what an authenticated client may do next."""
    written = host.written.get((limits,))
    if written is None:
        written = host.written[limits,] = _after(host, limits)
    return written


def _before(host: HostPolicy, channel: Channel, registration: Sequence[Element], limits: StreamLimits) -> bytes:
    features: list[Element] = []
    if offers_starttls(host, channel):
        features.append(_starttls(host.tls_required))
    mechanisms = offered_mechanisms(host, channel)
    if mechanisms:
        features.append(_mechanisms(mechanisms))
    bindings = advertised(mechanisms, channel.bindings)
    if bindings:
        features.append(_channel_bindings(bindings))
    if takes_passwords(host, channel):
        features += registration
    features.append(_limits(limits.before_auth.stanza_bytes, None))
    return _write(features)


def _after(host: HostPolicy, limits: StreamLimits) -> bytes:
    session = Element("session", SESSION)
    session.add("optional")  # COMPAT(RFC 3921 clients): they ask for a session, others need no round trip
    bind = Element("bind", BIND)
    return _write([bind, session, *host.features(), _limits(limits.after_auth.stanza_bytes, limits.idle_s)])


def _starttls(required: bool) -> Element:
    starttls = Element("starttls", TLS)
    if required:
        starttls.add("required")
    return starttls


def _mechanisms(names: Iterable[str]) -> Element:
    mechanisms = Element("mechanisms", SASL)
    for name in names:
        mechanisms.add("mechanism", text=name)
    return mechanisms


def _channel_bindings(types: Iterable[str]) -> Element:
    """XEP-0440: the channel binding types that the -PLUS mechanisms may use."""
    announced = Element("sasl-channel-binding", SASL_CHANNEL_BINDING)
    for name in types:
        announced.add("channel-binding", type=name)
    return announced


def _limits(max_bytes: int, idle_s: int | None) -> Element:
    """XEP-0478: how large a first-level element may be, and how long a silence."""
    limits = Element("limits", STREAM_LIMITS)
    limits.add("max-bytes", text=str(max_bytes))
    if idle_s is not None:
        limits.add("idle-seconds", text=str(idle_s))
    return limits


def _write(features: Sequence[Element]) -> bytes:
    return b"<stream:features>%b</stream:features>" % b"".join(serialize(each) for each in features)
