"""One TLS connection over memory: ciphertext in, plaintext out, and back; no sockets here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias, cast

from cryptography.hazmat.bindings.openssl.binding import Binding
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL

from xmpp_server.sasl.channel_binding import EXPORTER, EXPORTER_BYTES, EXPORTER_LABEL, SERVER_END_POINT

#: The plaintext of the largest TLS record (RFC 8446 §5.1).
RECORD_BYTES = 16384
#: A memory BIO never shrinks: after more than this through one, it is replaced.
_KEEP_BYTES = 2048
#: Room for the header, the tag and the padding that a record adds to its plaintext.
_RECORD_OVERHEAD_BYTES = 512

#: Gives the tls-server-end-point binding of a connection whose handshake has just finished.
EndPoint: TypeAlias = Callable[[SSL.Connection], bytes | None]


class TlsError(ConnectionError):
    """The peer broke TLS, or no common parameters were found; the text is for the log."""


class TlsSession:
    """What an established TLS connection is: read by features, SASL and the log."""

    __slots__ = ("_bindings", "alpn", "cipher", "peer_certificate", "peer_chain", "version")

    def __init__(self, connection: SSL.Connection, end_point: bytes | None) -> None:
        self.version: str = connection.get_protocol_version_name()
        self.cipher: str = connection.get_cipher_name() or ""
        self.alpn: str = connection.get_alpn_proto_negotiated().decode("latin-1")
        #: The chain that the peer sent, leaf first, as DER. Nobody has judged it yet.
        self.peer_chain: tuple[bytes, ...] = _peer_chain(connection)
        self.peer_certificate: bytes | None = self.peer_chain[0] if self.peer_chain else None
        self._bindings: dict[str, bytes] = {}
        if self.version == "TLSv1.3":  # before 1.3 it needs the extended master secret (RFC 9266 §4.2)
            self._bindings[EXPORTER] = connection.export_keying_material(EXPORTER_LABEL, EXPORTER_BYTES)
        if end_point is not None:
            self._bindings[SERVER_END_POINT] = end_point

    @property
    def channel_bindings(self) -> dict[str, bytes]:
        """Channel binding data by type (RFC 5929, RFC 9266), strongest first."""
        return self._bindings


class TlsChannel:
    """The state of one TLS connection.

    `receive` and `send` are the whole data path. pyOpenSSL's own `recv` and `send` allocate and copy on each call
    and raise an exception at each end of input, which costs more than the cipher does (9 µs against 3 for a small
    message both ways), so the four OpenSSL calls are made directly, on a plaintext buffer shared by all channels.
    """

    __slots__ = ("_buffer", "_connection", "_end_point", "_inward", "_outward", "_ssl", "peer_closed", "session")

    def __init__(self, connection: SSL.Connection, buffer: PlaintextBuffer, end_point: EndPoint) -> None:
        self._connection = connection
        self._buffer = buffer
        self._end_point = end_point
        self._ssl = _handle(connection, "_ssl")
        self._inward = _handle(connection, "_into_ssl")
        self._outward = _handle(connection, "_from_ssl")
        #: Set once the handshake is finished.
        self.session: TlsSession | None = None
        #: The peer sent close_notify: it will send nothing more.
        self.peer_closed = False

    def handshake(self) -> None:
        """Go on with the handshake as far as the received bytes reach; a client starts with it.

        Raises:
            TlsError: It failed; `outgoing` holds the alert for the peer.

        """
        try:
            self._connection.do_handshake()
        except SSL.WantReadError:
            return
        except (SSL.Error, AlpnMismatchError) as error:
            raise TlsError(describe(error)) from None
        self.session = TlsSession(self._connection, self._end_point(self._connection))

    def receive(self, data: bytes) -> bytes:
        """Take ciphertext; return the plaintext that is complete now.

        Call `outgoing` where nothing is returned, or the handshake went on: it and alerts make bytes of their own.
        (The answer to a key update comes with the next record that is sent, RFC 8446 §4.6.3.)

        Raises:
            TlsError: The connection is broken; `outgoing` may hold an alert for the peer.

        """
        size = len(data)
        handshaking = self.session is None
        if size <= RECORD_BYTES:
            plain = self._receive_slice(data)
        else:
            plain = b"".join([self._receive_slice(data[at : at + RECORD_BYTES]) for at in range(0, size, RECORD_BYTES)])
        if (size > _KEEP_BYTES or handshaking) and self.session is not None:
            self._renew_buffers()
        return plain

    def send(self, data: bytes) -> bytes:
        """Encrypt plaintext into as few records as it needs; the handshake must be over.

        Raises:
            TlsError: The connection is broken or was shut down.

        """
        size = len(data)
        if size <= RECORD_BYTES:
            cipher = self._send_slice(data)
        else:
            cipher = b"".join([self._send_slice(data[at : at + RECORD_BYTES]) for at in range(0, size, RECORD_BYTES)])
        if size > _KEEP_BYTES:
            self._renew_buffers()
        return cipher

    def outgoing(self) -> bytes:
        """Bytes that TLS itself wants to send: handshake, tickets, key updates, alerts."""
        out = b""
        while (count := _LIB.BIO_read(self._outward, self._buffer.handle, self._buffer.size)) > 0:
            out += bytes(self._buffer.view[:count])
        return out

    def close(self) -> bytes:
        """Make the close_notify alert (RFC 8446 §6.1); nothing where the handshake is not over."""
        if self.session is None:
            return b""
        try:
            self._connection.shutdown()
        except SSL.Error:
            return b""  # the connection broke before: there is nobody to tell
        return self.outgoing()

    def _receive_slice(self, data: bytes) -> bytes:
        if _LIB.BIO_write(self._inward, data, len(data)) != len(data):
            raise TlsError("out of memory")
        if self.session is None:
            self.handshake()
            if self.session is None:
                return b""
        buffer = self._buffer
        plain = b""
        while (count := _LIB.SSL_read(self._ssl, buffer.handle, buffer.size)) > 0:
            plain = plain + buffer.view[:count] if plain else bytes(buffer.view[:count])
            if _LIB.BIO_get_mem_data(self._inward, _NULL) == 0:  # cheaper than a call that finds nothing to read
                return plain
        error = _LIB.SSL_get_error(self._ssl, count)
        if error == _WANT_READ:
            return plain
        if error == _ZERO_RETURN:
            self.peer_closed = True
            return plain
        raise TlsError(self._reason(count))

    def _send_slice(self, data: bytes) -> bytes:
        count = _LIB.SSL_write(self._ssl, data, len(data))
        if count != len(data):
            raise TlsError(self._reason(count))
        buffer = self._buffer
        count = _LIB.BIO_read(self._outward, buffer.handle, buffer.size)
        return bytes(buffer.view[:count])

    def _renew_buffers(self) -> None:
        """Free what a large transfer left allocated; only called while both BIOs are drained."""
        pending = self.outgoing()
        self._inward = _LIB.BIO_new(_LIB.BIO_s_mem())
        self._outward = _LIB.BIO_new(_LIB.BIO_s_mem())
        _LIB.SSL_set_bio(self._ssl, self._inward, self._outward)  # frees the old pair
        if pending:
            _LIB.BIO_write(self._outward, pending, len(pending))

    def _reason(self, result: int) -> str:
        """Why a call failed; leaves OpenSSL's error queue empty, which the next call relies on."""
        try:
            self._connection._raise_ssl_error(self._ssl, result)
        except (SSL.Error, AlpnMismatchError) as error:
            return describe(error)
        return "unknown TLS error"


class AlpnMismatchError(Exception):
    """The client offered application protocols, none of them ours (RFC 7301 §3.2)."""


class PlaintextBuffer:
    """Where OpenSSL puts what it has decrypted or encrypted; shared by the channels of one thread."""

    __slots__ = ("handle", "size", "view")

    def __init__(self) -> None:
        memory = bytearray(RECORD_BYTES + _RECORD_OVERHEAD_BYTES)
        self.view = memoryview(memory)
        self.size = len(memory)
        self.handle: object = Binding.ffi.from_buffer(memory)


def describe(error: Exception) -> str:
    """The reasons that OpenSSL gives, in one line."""
    queue = error.args[0] if error.args else None
    if isinstance(queue, list):
        return "; ".join(str(entry[-1]) for entry in queue) or type(error).__name__
    return str(error) or type(error).__name__


def _peer_chain(connection: SSL.Connection) -> tuple[bytes, ...]:
    leaf = connection.get_peer_certificate(as_cryptography=True)
    if leaf is None:
        return ()
    # A server's view of the chain lacks the leaf, a client's has it (SSL_get_peer_cert_chain).
    rest = connection.get_peer_cert_chain(as_cryptography=True) or []
    chain = [leaf, *(certificate for certificate in rest if certificate != leaf)]
    return tuple(certificate.public_bytes(Encoding.DER) for certificate in chain)


class _Library(Protocol):
    """The OpenSSL functions of the data path, as cffi shows them; handles are opaque."""

    SSL_ERROR_WANT_READ: int
    SSL_ERROR_ZERO_RETURN: int

    def SSL_read(self, ssl: object, buffer: object, size: int, /) -> int: ...  # noqa: N802
    def SSL_write(self, ssl: object, data: bytes, size: int, /) -> int: ...  # noqa: N802
    def SSL_get_error(self, ssl: object, result: int, /) -> int: ...  # noqa: N802
    def SSL_set_bio(self, ssl: object, inward: object, outward: object, /) -> None: ...  # noqa: N802
    def BIO_new(self, method: object, /) -> object: ...  # noqa: N802
    def BIO_s_mem(self) -> object: ...  # noqa: N802
    def BIO_get_mem_data(self, bio: object, data: object, /) -> int: ...  # noqa: N802
    def BIO_read(self, bio: object, buffer: object, size: int, /) -> int: ...  # noqa: N802
    def BIO_write(self, bio: object, data: bytes, size: int, /) -> int: ...  # noqa: N802


def _handle(connection: SSL.Connection, name: str) -> object:
    """An OpenSSL object that pyOpenSSL holds; pyOpenSSL has named them so since its rewrite on cffi (2014)."""
    return getattr(connection, name)


_LIB = cast(_Library, Binding.lib)
_NULL: object = Binding.ffi.NULL
_WANT_READ = _LIB.SSL_ERROR_WANT_READ
_ZERO_RETURN = _LIB.SSL_ERROR_ZERO_RETURN
