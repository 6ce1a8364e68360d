"""SOCKS5 handshakes, whole, byte by byte and broken."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.xmpp_files.socks5 import Handshake, SocksError, State

HASH = b"416781edf1ae50bad01cb8509ba35b43952bc345"
METHODS = b"\x05\x01\x00"
REQUEST = b"\x05\x01\x00\x03\x28" + HASH + b"\x00\x00"


def test_a_handshake_ends_with_the_hash():
    handshake = Handshake()
    assert handshake.receive(METHODS) == b"\x05\x00"
    assert handshake.receive(REQUEST) == b""
    assert (handshake.state, handshake.address) == (State.DONE, HASH.decode())
    assert handshake.accepted() == b"\x05\x00\x00\x03\x28" + HASH + b"\x00\x00"
    assert handshake.refused()[1] != 0


@given(st.lists(st.integers(1, 20), min_size=1))
def test_chunks_do_not_matter(sizes):
    handshake, data, answers = Handshake(), METHODS + REQUEST.upper(), b""
    position = 0
    while position < len(data):
        size = sizes[position % len(sizes)]
        answers += handshake.receive(data[position : position + size])
        position += size
    assert answers == b"\x05\x00"
    assert handshake.address == HASH.decode()


@pytest.mark.parametrize(
    ("data", "reply"),
    [
        (b"GET / HTTP/1.1", b""),
        (b"\x04\x01", b""),
        (b"\x05\x01\x02", b"\x05\xff"),
        (METHODS + b"\x04", b""),
        (METHODS + b"\x05\x02\x00\x03\x28", b"\x05\x07\x00\x03\x00\x00\x00"),
        (METHODS + b"\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x50", b"\x05\x08\x00\x03\x00\x00\x00"),
        (METHODS + b"\x05\x01\x00\x03\x0bexample.org\x00\x50", b"\x05\x08\x00\x03\x00\x00\x00"),
        (METHODS + REQUEST[:-1] + b"\x50", b"\x05\x08\x00\x03\x00\x00\x00"),
        (METHODS + b"\x05\x01\x00\x03\x28" + b"z" * 40 + b"\x00\x00", b"\x05\x08\x00\x03\x00\x00\x00"),
        (METHODS + REQUEST + b"early", b""),
    ],
)
def test_other_wishes_are_refused(data, reply):
    with pytest.raises(SocksError) as error:
        Handshake().receive(data)
    assert error.value.reply == reply


@given(st.lists(st.binary(max_size=80)))
def test_nothing_breaks_it(chunks):
    handshake = Handshake()
    for chunk in chunks:
        try:
            handshake.receive(chunk)
        except SocksError:
            return
        if handshake.state is State.DONE:
            return
