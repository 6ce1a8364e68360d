"""The proxy's TCP side: peers shake hands, wait for activation, then exchange bytes (XEP-0065 §6)."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from enum import Enum, auto

import structlog

from components.xmpp_files.bandwidth import Bandwidth
from components.xmpp_files.settings import ProxySettings
from components.xmpp_files.socks5 import Handshake, SocksError, State

log = structlog.get_logger(__name__)

_HIGH_WATER_BYTES = 256 * 1024
#: Then the peer is not read from any more, and nothing is noticed of its end, until activation or its timeout.
_EARLY_BYTES = 16 * 1024


class Activation(Enum):
    """What became of a request to activate."""

    DONE = auto()
    UNKNOWN = auto()
    ALONE = auto()


class Relay:
    """All bytestreams of the proxy, by the hash that both peers of one ask for."""

    def __init__(self, settings: ProxySettings) -> None:
        self.settings = settings
        self._peers: set[Peer] = set()
        self._addresses: Counter[str] = Counter()
        self._waiting: dict[str, list[Peer]] = {}
        self._streams: set[Stream] = set()
        self.relayed_bytes = 0
        self.activated = 0

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._peers)

    def connection(self) -> asyncio.Protocol:
        """Return the protocol for a new connection."""
        return Peer(self)

    def activate(self, address: str, user: str) -> Activation:
        """Connect the two peers that wait under a hash; `user` is for the log.

        The hash is made from the JID of who asks, so that nobody else can activate their stream.
        """
        peers = self._waiting.get(address, [])
        if not peers:
            return Activation.UNKNOWN
        if len(peers) < 2:
            return Activation.ALONE
        del self._waiting[address]
        stream = Stream(self, peers[0], peers[1], user)
        self._streams.add(stream)
        self.activated += 1
        stream.start()
        return Activation.DONE

    def close(self) -> None:
        """Cut all connections."""
        for peer in list(self._peers):
            peer.cut()

    def admit(self, peer: Peer) -> bool:
        """Count a connection; False if it is one too many."""
        if len(self._peers) >= self.settings.connections:
            return False
        if peer.host and self._addresses[peer.host] >= self.settings.connections_per_address:
            return False
        self._peers.add(peer)
        self._addresses[peer.host] += 1
        return True

    def wait(self, peer: Peer, address: str) -> bool:
        """Keep a peer until its stream is activated; False if two wait already."""
        peers = self._waiting.setdefault(address, [])
        if len(peers) >= 2:
            return False
        peers.append(peer)
        return True

    def leave(self, peer: Peer, address: str) -> None:
        """Forget a connection that has ended."""
        if peer not in self._peers:
            return
        self._peers.discard(peer)
        self._addresses[peer.host] -= 1
        if not self._addresses[peer.host]:
            del self._addresses[peer.host]
        peers = self._waiting.get(address, [])
        if peer in peers:
            peers.remove(peer)
            if not peers:
                del self._waiting[address]

    def ended(self, stream: Stream) -> None:
        """Forget a stream."""
        self._streams.discard(stream)


class Peer(asyncio.Protocol):
    """One TCP connection; what it sends before its stream is active is kept, up to a bound."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self._handshake = Handshake()
        self._timer: asyncio.TimerHandle | None = None
        self._stream: Stream | None = None
        self._reading = True
        self._early = bytearray()
        self.transport: asyncio.Transport | None = None
        self.host = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the handshake, unless there are too many connections."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - TCP
        self.transport = transport
        peername = transport.get_extra_info("peername")
        self.host = str(peername[0]) if isinstance(peername, tuple) else ""
        if not self._relay.admit(self):
            transport.abort()
            return
        if (raw := transport.get_extra_info("socket")) is not None and self.host:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        transport.set_write_buffer_limits(_HIGH_WATER_BYTES)
        self._wait(self._relay.settings.handshake_timeout_s)

    def data_received(self, data: bytes) -> None:
        """Take a part of the handshake, or of the stream."""
        if self._stream is not None:
            self._stream.relay(self, data)
        elif self._handshake.state is not State.DONE:
            self._shake(data)
        else:
            self._early += data
            self.read(len(self._early) < _EARLY_BYTES)

    def eof_received(self) -> bool:
        """Pass the end on, and keep the other direction open (half-open streams are legal in TCP)."""
        if self._stream is None:
            return False
        self._stream.half_closed(self)
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave the relay."""
        if self._timer is not None:
            self._timer.cancel()
        self.transport = None
        self._relay.leave(self, self._handshake.address)
        if self._stream is not None:
            self._stream.lost(self)

    def pause_writing(self) -> None:
        """This peer is slow."""
        if self._stream is not None:
            self._stream.congested(self)

    def resume_writing(self) -> None:
        """It has caught up."""
        if self._stream is not None:
            self._stream.drained(self)

    def join(self, stream: Stream) -> None:
        """Begin to relay."""
        if self._timer is not None:
            self._timer.cancel()
        self._stream = stream
        early, self._early = self._early, bytearray()
        self.read(True)
        if early:
            stream.relay(self, bytes(early))

    def read(self, on: bool) -> None:
        """Read from the network, or let the sender wait."""
        if self.transport is None or self.transport.is_closing() or on is self._reading:
            return
        self._reading = on
        if on:
            self.transport.resume_reading()
        else:
            self.transport.pause_reading()

    def cut(self) -> None:
        """End the connection at once."""
        if self.transport is not None:
            self.transport.abort()

    def _shake(self, data: bytes) -> None:
        assert self.transport is not None  # noqa: S101 - connected
        try:
            self.transport.write(self._handshake.receive(data))
        except SocksError as error:
            self.transport.write(error.reply)
            self.transport.close()
            return
        if self._handshake.state is not State.DONE:
            return
        if not self._relay.wait(self, self._handshake.address):
            self.transport.write(self._handshake.refused())
            self.transport.close()
            return
        self.transport.write(self._handshake.accepted())
        self._wait(self._relay.settings.activation_timeout_s)

    def _wait(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self.cut)


class Stream:
    """Two peers whose bytes go to each other."""

    def __init__(self, relay: Relay, one: Peer, other: Peer, user: str) -> None:
        self._relay = relay
        self._other = {one: other, other: one}
        self._user = user
        self._loop = asyncio.get_running_loop()
        self._bandwidth = Bandwidth(relay.settings.bytes_per_s, self._loop.time())
        self._congested: set[Peer] = set()
        self._half_closed: set[Peer] = set()
        self._pause: asyncio.TimerHandle | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._last = self._began = self._loop.time()
        self._lost = 0
        self.bytes = 0

    def start(self) -> None:
        """Let the bytes go."""
        self._check_idle()
        for peer in self._other:
            peer.join(self)

    def relay(self, peer: Peer, data: bytes) -> None:
        """Pass data on, and slow the sender to the bandwidth."""
        transport = self._other[peer].transport
        if transport is None or transport.is_closing():
            return
        transport.write(data)
        self._last = self._loop.time()
        self.bytes += len(data)
        self._relay.relayed_bytes += len(data)
        wait_s = self._bandwidth.took(len(data), self._last)
        if wait_s and self._pause is None:
            self._pause = self._loop.call_later(wait_s, self._go_on)
            self._regulate()

    def congested(self, peer: Peer) -> None:
        """A peer takes no more: the other one is not read."""
        self._congested.add(peer)
        self._regulate()

    def drained(self, peer: Peer) -> None:
        """It takes more again."""
        self._congested.discard(peer)
        self._last = self._loop.time()
        self._regulate()

    def half_closed(self, peer: Peer) -> None:
        """A peer has no more to say; after both, the stream is over."""
        self._half_closed.add(peer)
        other = self._other[peer].transport
        if other is not None and not other.is_closing():
            other.write_eof()
        if len(self._half_closed) == 2:
            for one in self._other:
                if one.transport is not None:
                    one.transport.close()

    def lost(self, peer: Peer) -> None:
        """A connection has ended: the other gets what is under way, and ends too."""
        other = self._other[peer].transport
        if other is not None:
            other.close()
        self._lost += 1
        if self._lost == 1:
            return  # the other one still gets what is under way, for as long as it takes it
        if self._idle is not None:
            self._idle.cancel()
        if self._pause is not None:
            self._pause.cancel()
        self._relay.ended(self)
        seconds = round(self._loop.time() - self._began, 3)
        log.info("bytestream-ended", user=self._user, bytes=self.bytes, seconds=seconds)

    def _go_on(self) -> None:
        self._pause = None
        self._regulate()

    def _regulate(self) -> None:
        for peer, other in self._other.items():
            peer.read(self._pause is None and other not in self._congested)

    def _check_idle(self) -> None:
        """Cut a stream in which nothing moves: one of its peers may be gone without a word."""
        left = self._last + self._relay.settings.idle_timeout_s - self._loop.time()
        if left > 0:
            self._idle = self._loop.call_later(left, self._check_idle)
            return
        for peer in self._other:
            peer.cut()
