"""TLS contexts of the server: versions, ciphers, certificates by SNI, ALPN, reload (RFC 6120 §5, RFC 7590)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from OpenSSL import SSL

from xmpp_server.net.certificates import CertificateError, KeyPair, matching_names
from xmpp_server.net.tls_channel import AlpnMismatchError, PlaintextBuffer, TlsChannel, describe

#: TLS 1.2 suites: forward secrecy and authenticated encryption only. OpenSSL's three of TLS 1.3 are all fine.
_CIPHERS = b"ECDHE+AESGCM:ECDHE+CHACHA20"
#: RFC 7590 §3.4 and CVE-2021-32920: no compression, no renegotiation.
_OPTIONS = SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION | SSL.OP_CIPHER_SERVER_PREFERENCE
#: Names the sessions in tickets; without it OpenSSL refuses to resume where client certificates are asked for.
_SESSION_CONTEXT = b"xmpp"

ALPN_XMPP_CLIENT = "xmpp-client"
ALPN_XMPP_SERVER = "xmpp-server"


class TlsServer:
    """Makes the TLS channels of one door (c2s, s2s, https); certificates can change under it."""

    __slots__ = ("_alpn", "_buffer", "_contexts", "_default", "_load", "_request_certificate")

    def __init__(
        self,
        load: Callable[[], Sequence[KeyPair]],
        *,
        alpn: Sequence[str] = (),
        request_client_certificate: bool = False,
    ) -> None:
        """Load the certificates.

        Args:
            load: Reads the key pairs, the default one (no SNI or an unknown name) first. Where another has a name of
                the default one, it goes before it.
            alpn: Protocols to choose from, best first, where the client offers any; () takes no part in ALPN.
            request_client_certificate: Ask for one, and take whatever comes: it is judged later.

        Raises:
            CertificateError: There is none, or one cannot be used.

        """
        self._load = load
        self._alpn = tuple(name.encode() for name in alpn)
        self._request_certificate = request_client_certificate
        self._buffer = PlaintextBuffer()
        self._contexts: dict[str, SSL.Context] = {}
        self._default = self._read()

    def reload(self) -> None:
        """Read the certificates again, for the connections to come; those that are there keep theirs.

        Raises:
            CertificateError: They cannot be used; the old ones stay in force.

        """
        self._default = self._read()

    def channel(self) -> TlsChannel:
        """Make the server side of a new TLS connection."""
        connection = SSL.Connection(self._default)
        connection.set_accept_state()
        return TlsChannel(connection, self._buffer, _end_point)

    def _read(self) -> SSL.Context:
        """Replace the contexts by freshly read ones, all or nothing; return the default one."""
        pairs = self._load()
        if not pairs:
            raise CertificateError("no certificate configured")
        contexts: dict[str, SSL.Context] = {}
        ready = [(pair, self._context(pair)) for pair in pairs]
        for pair, context in (*ready[1:], ready[0]):
            for name in pair.names.hosts:
                contexts.setdefault(name, context)
        self._contexts = contexts
        return ready[0][1]

    def _context(self, pair: KeyPair) -> SSL.Context:
        context = SSL.Context(SSL.TLS_SERVER_METHOD)
        context.set_min_proto_version(SSL.TLS1_2_VERSION)  # RFC 8996
        context.set_options(_OPTIONS)
        context.set_mode(SSL.MODE_RELEASE_BUFFERS)
        context.set_cipher_list(_CIPHERS)
        context.set_session_cache_mode(SSL.SESS_CACHE_OFF)  # tickets only: no state here
        context.set_session_id(_SESSION_CONTEXT)
        if self._request_certificate:
            context.set_verify(SSL.VERIFY_PEER, _accept_any)
        if self._alpn:
            context.set_alpn_select_callback(self._choose_protocol)
        context.set_tlsext_servername_callback(self._choose_certificate)
        try:
            context.use_certificate(pair.chain[0])
            for certificate in pair.chain[1:]:
                context.add_extra_chain_cert(certificate)
            context.use_privatekey(pair.key)
            context.check_privatekey()
        except SSL.Error as error:
            raise CertificateError(f"{pair.source}: {describe(error)}") from None
        context.set_app_data(pair.end_point)
        return context

    def _choose_certificate(self, connection: SSL.Connection) -> None:
        name = connection.get_servername()
        if not name:
            return
        for candidate in matching_names(name.decode("latin-1")):
            context = self._contexts.get(candidate)
            if context is not None:
                connection.set_context(context)
                return

    def _choose_protocol(self, connection: SSL.Connection, offered: list[bytes]) -> bytes:
        for protocol in self._alpn:
            if protocol in offered:
                return protocol
        raise AlpnMismatchError(f"no application protocol in common: {offered!r}")


def _accept_any(connection: SSL.Connection, certificate: object, error: int, depth: int, ok: int) -> bool:
    """Let every certificate pass: SASL EXTERNAL and dialback decide what it is worth (XEP-0178)."""
    return True


def _end_point(connection: SSL.Connection) -> bytes | None:
    data = connection.get_context().get_app_data()
    return data if isinstance(data, bytes) else None
