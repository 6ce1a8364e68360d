"""Tests of xmpp_server.net.dialer beside what tests/net/test_s2s.py shows."""

from __future__ import annotations

import socket

from xmpp_server.net import dialer


def test_a_peer_that_is_gone_without_a_word_is_found_out() -> None:
    with socket.socket() as one:
        dialer._watch(one)
        assert one.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert one.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == dialer.DEAD_S * 1000
        assert one.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == dialer.DEAD_S
