"""One byte stream with a peer: TCP or Unix socket, in clear or under TLS, with its outbox."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol, cast

import structlog

from xmpp_server.net.loop_io import LoopIO
from xmpp_server.net.tls_channel import TlsChannel, TlsError, TlsSession

#: How long a closing connection waits for its last bytes to be taken and for the peer's end.
CLOSE_TIMEOUT_S = 5.0
#: Host name of a peer on a Unix socket.
UNIX_HOST = "unix"

_log = structlog.get_logger(__name__)


class ConnectionHandler(Protocol):
    """What is told about a connection; all calls come from the event loop, none may wait."""

    def connected(self, connection: Connection) -> None:
        """The peer is there. For direct TLS the handshake is still to come."""

    def received(self, data: bytes) -> None:
        """Bytes in clear or decrypted, never empty; at most one call for each read of the socket."""

    def tls_established(self) -> None:
        """The handshake is over; `Connection.tls` tells what came of it."""

    def eof(self) -> None:
        """The peer sends nothing more; writing may still reach it. The handler must `close` or `abort`."""

    def overflow(self) -> None:
        """More is buffered than the limit, since the peer reads too slowly; called once."""

    def lost(self, error: Exception | None) -> None:
        """The connection is gone; last call. `error` is None after an orderly end."""


class TlsSide(Protocol):
    """One side of TLS: `TlsServer`, or `TlsOffer` of a connection that we make."""

    def channel(self) -> TlsChannel:
        """Make the state of a new connection; a client's has its first bytes ready."""
        ...


class Connection(asyncio.BufferedProtocol):
    """A connection accepted by a listener, or made by a dialer.

    `write` only appends: all connections written to are flushed once per turn of the loop, and under TLS what was
    written in one turn shares a record. Nothing here waits or makes a task.
    """

    __slots__ = (
        "_close_timer",
        "_closing",
        "_eof",
        "_error",
        "_handler",
        "_io",
        "_limit_bytes",
        "_marked",
        "_outbox",
        "_overflowed",
        "_queued_bytes",
        "_tls",
        "_transport",
        "_write_paused",
        "on_end",
        "peer",
    )

    def __init__(
        self, io: LoopIO, handler: ConnectionHandler, *, limit_bytes: int = 1 << 20, tls: TlsSide | None = None
    ) -> None:
        """Make a connection that has no socket yet.

        Args:
            io: What the connections of this event loop share.
            handler: Who is told.
            limit_bytes: Above this much unsent data the handler hears `overflow`.
            tls: Direct TLS: whoever connects starts with a ClientHello.

        """
        self._io = io
        self._handler = handler
        self._limit_bytes = limit_bytes
        self._tls: TlsChannel | None = None if tls is None else tls.channel()
        self._transport: asyncio.Transport | None = None
        self._outbox: list[bytes] = []
        self._queued_bytes = 0
        self._marked = False
        self._write_paused = False
        self._overflowed = False
        self._closing = False
        self._eof = False
        self._error: Exception | None = None
        self._close_timer: asyncio.TimerHandle | None = None
        #: Address and port of the peer; (`UNIX_HOST`, 0) on a Unix socket.
        self.peer: tuple[str, int] = (UNIX_HOST, 0)
        #: Called when the connection is gone, after `ConnectionHandler.lost`: for whoever counts connections.
        self.on_end: Callable[[], None] | None = None

    @property
    def tls(self) -> TlsSession | None:
        """The TLS session, once established."""
        return None if self._tls is None else self._tls.session

    @property
    def buffered(self) -> int:
        """Bytes written here that the kernel has not taken yet."""
        if self._transport is None:
            return 0
        return self._queued_bytes + self._transport.get_write_buffer_size()

    def write(self, data: bytes) -> None:
        """Queue bytes for the peer; ignored once the connection is closing or gone."""
        if self._closing or not data:
            return
        self._outbox.append(data)
        self._queued_bytes += len(data)
        if not self._marked:
            self._marked = True
            self._io.mark(self)

    def pause(self) -> None:
        """Take no more bytes from the peer until `resume`; the kernel's window then slows it down."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume(self) -> None:
        """Go on reading."""
        if self._transport is not None:
            self._transport.resume_reading()

    def start_tls(self, side: TlsSide) -> None:
        """Send what is queued in clear; all that follows in both directions is TLS (RFC 6120 §5.4.3.3).

        The caller has made sure that the peer sent nothing behind its request: bytes in clear that were already
        handed to `received` must not be used after this (they could be an attacker's); `abort` then.
        """
        if self._transport is None or self._closing:
            return
        self._push(self._transport)
        self._tls = side.channel()
        self._transport.write(self._tls.outgoing())

    def close(self, timeout_s: float = CLOSE_TIMEOUT_S) -> None:
        """Send what is queued, say goodbye, and end when the peer has ended too or `timeout_s` is over.

        Closing the socket at once would make the kernel answer bytes that are still under way with a reset, and the
        peer could lose the stream error that explains the end.
        """
        transport = self._transport
        if self._closing or transport is None:
            self._closing = True
            return
        self._push(transport)
        self._closing = True
        if self._tls is not None:
            transport.write(self._tls.close())
        if transport.is_closing():
            return
        self._close_timer = self._io.loop.call_later(timeout_s, transport.abort)
        if self._eof:
            transport.close()
            return
        transport.resume_reading()
        try:
            transport.write_eof()
        except OSError:  # the peer was faster: reset
            transport.abort()

    def abort(self) -> None:
        """End at once; what is queued is lost."""
        self._closing = True
        self._drop_outbox()
        if self._transport is not None:
            self._transport.abort()

    # From the loop's flush.

    def flush(self) -> None:
        """Write the outbox; called by `LoopIO` after each turn in which `write` was called."""
        self._marked = False
        transport = self._transport
        if transport is None or self._closing:
            return
        if not self._write_paused:
            self._push(transport)
        if self._write_paused and not self._overflowed and self.buffered > self._limit_bytes:
            self._overflowed = True
            try:
                self._handler.overflow()
            except Exception:
                _log.exception("overflow_failed", peer=self.peer)
                self.abort()

    def _push(self, transport: asyncio.Transport) -> None:
        queue = self._outbox
        if not queue:
            return
        tls = self._tls
        if tls is not None and tls.session is None:
            return  # nothing goes out in clear once TLS was asked for
        data = queue[0] if len(queue) == 1 else b"".join(queue)
        self._drop_outbox()
        if tls is not None:
            try:
                data = tls.send(data)
            except TlsError as error:
                self._fail(error)
                return
        transport.write(data)

    def _mark(self) -> None:
        if self._outbox and not self._marked:
            self._marked = True
            self._io.mark(self)

    def _drop_outbox(self) -> None:
        self._outbox.clear()
        self._queued_bytes = 0

    # From the transport.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: the socket is connected."""
        self._transport = cast(asyncio.Transport, transport)
        name = transport.get_extra_info("peername")
        if isinstance(name, tuple):
            self.peer = name[:2]
        if self._closing:
            self._transport.abort()
            return
        if self._limit_bytes < 65536:
            self._transport.set_write_buffer_limits(self._limit_bytes)
        if self._tls is not None:
            self._transport.write(self._tls.outgoing())  # the ClientHello, if we are the client
        self._handler.connected(self)

    def get_buffer(self, sizehint: int) -> memoryview:
        """asyncio: where to put what arrives."""
        return self._io.receive_buffer

    def buffer_updated(self, nbytes: int) -> None:
        """asyncio: bytes have arrived."""
        if self._closing:
            return  # only waiting for the peer's end
        data = bytes(self._io.receive_buffer[:nbytes])
        if self._tls is None:
            self._handler.received(data)
        else:
            self._received_tls(self._tls, data)

    def _received_tls(self, tls: TlsChannel, data: bytes) -> None:
        fresh = tls.session is None
        try:
            plain = tls.receive(data)
        except TlsError as error:
            self._fail(error)
            return
        if (fresh or not plain) and (out := tls.outgoing()):
            self._write_control(out)
        if fresh and tls.session is not None:
            self._mark()  # what was written during the handshake
            self._handler.tls_established()
        if plain and not self._closing:
            self._handler.received(plain)
        if tls.peer_closed and not self._closing and not self._eof:
            self._eof = True
            self._handler.eof()

    def _write_control(self, data: bytes) -> None:
        """Write bytes of TLS itself; a peer that provokes them without reading is cut off."""
        if self._transport is None:
            return
        self._transport.write(data)
        if self.buffered > self._limit_bytes and not self._overflowed:
            self.abort()

    def _fail(self, error: TlsError) -> None:
        """Send the alert that TLS has ready, and end."""
        self._error = error
        if self._tls is not None and self._transport is not None:
            self._transport.write(self._tls.outgoing())
        self._drop_outbox()
        self._tls = None
        self.close(timeout_s=1.0)

    def eof_received(self) -> bool:
        """asyncio: the peer has ended its direction; True keeps ours open."""
        if self._closing or (self._tls is not None and self._tls.session is None):
            return False
        if not self._eof:
            self._eof = True
            self._handler.eof()
        return True

    def pause_writing(self) -> None:
        """asyncio: the peer reads more slowly than we write."""
        self._write_paused = True

    def resume_writing(self) -> None:
        """asyncio: the peer has caught up."""
        self._write_paused = False
        self._mark()

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio: the socket is closed."""
        self._closing = True
        self._transport = None
        self._tls = None
        self._drop_outbox()
        if self._close_timer is not None:
            self._close_timer.cancel()
            self._close_timer = None
        handler = self._handler
        self._handler = _NOBODY  # breaks the reference cycle with the handler
        error, self._error = self._error or exc, None  # its traceback leads back here
        try:
            handler.lost(error)
        finally:
            if self.on_end is not None:
                self.on_end()
                self.on_end = None


class _Nobody:
    """Takes the handler's place once a connection is gone."""

    __slots__ = ()

    def connected(self, connection: Connection) -> None: ...
    def received(self, data: bytes) -> None: ...
    def tls_established(self) -> None: ...
    def eof(self) -> None: ...
    def overflow(self) -> None: ...
    def lost(self, error: Exception | None) -> None: ...


_NOBODY = _Nobody()
