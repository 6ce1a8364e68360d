"""TLS as the connecting side: what we show to other servers (RFC 6120 §5, XEP-0368)."""

from __future__ import annotations

from OpenSSL import SSL

from xmpp_server.net.certificates import CertificateError, KeyPair
from xmpp_server.net.tls_channel import PlaintextBuffer, TlsChannel, describe

_CIPHERS = b"ECDHE+AESGCM:ECDHE+CHACHA20"
_OPTIONS = SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION


class TlsClient:
    """Makes the TLS channels of connections to other servers, with one certificate of ours.

    Every certificate of the peer passes: `PeerTrust` judges it after the handshake, and dialback may make up for it.
    """

    __slots__ = ("_buffer", "_context")

    def __init__(self, pair: KeyPair, buffer: PlaintextBuffer) -> None:
        """Prepare.

        Raises:
            CertificateError: The certificate cannot be used.

        """
        self._buffer = buffer
        context = SSL.Context(SSL.TLS_METHOD)
        context.set_min_proto_version(SSL.TLS1_2_VERSION)
        context.set_options(_OPTIONS)
        context.set_mode(SSL.MODE_RELEASE_BUFFERS)
        context.set_cipher_list(_CIPHERS)
        context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        context.set_verify(SSL.VERIFY_NONE)
        try:
            context.use_certificate(pair.chain[0])
            for certificate in pair.chain[1:]:
                context.add_extra_chain_cert(certificate)
            context.use_privatekey(pair.key)
        except SSL.Error as error:
            raise CertificateError(f"{pair.source}: {describe(error)}") from None
        self._context = context

    def to(self, name: str | None, alpn: str | None) -> TlsOffer:
        """Return what to begin a connection with.

        Args:
            name: The domain in A-labels for SNI; None for an address (RFC 6066 §3).
            alpn: The application protocol, where the peer's port may speak several (XEP-0368 §4).

        """
        return TlsOffer(self._context, self._buffer, name, alpn)


class TlsOffer:
    """The beginning of one connection."""

    __slots__ = ("_alpn", "_buffer", "_context", "_name")

    def __init__(self, context: SSL.Context, buffer: PlaintextBuffer, name: str | None, alpn: str | None) -> None:
        self._context = context
        self._buffer = buffer
        self._name = name
        self._alpn = alpn

    def channel(self) -> TlsChannel:
        """Make the channel, whose ClientHello is in `outgoing`."""
        connection = SSL.Connection(self._context)
        if self._name:
            connection.set_tlsext_host_name(self._name.encode("ascii"))
        if self._alpn:
            connection.set_alpn_protos([self._alpn.encode("ascii")])
        connection.set_connect_state()
        channel = TlsChannel(connection, self._buffer, _no_end_point)
        channel.handshake()
        return channel


def _no_end_point(_connection: SSL.Connection) -> bytes | None:
    return None
