"""RFC 8489: the test vectors of RFC 5769, and bytes that are no STUN."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xmpp_server.app import stun
from xmpp_server.app.stun import Address, Login, Method, Request, StunError

TRANSACTION = bytes.fromhex("b7e7a701bc34d686fa87dfae")
#: RFC 5769 §2.2 and §2.3; their integrity is of short-term credentials, which nobody asks for here.
IPV4 = bytes.fromhex(
    "0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000080001a147e112a643"
    "000800142b91f599fd9e90c38c7489f92af9ba53f06be7d780280004c07d4c96"
)
IPV6 = bytes.fromhex(
    "010100482112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000140002a1470113a9faa5d3f179"
    "bc25f4b5bed2b9d900080014a382954e4be67bf11784c97c8292c275bfe3ed4180280004c8fb0b4c"
)


@pytest.mark.parametrize(
    ("data", "address", "text"),
    [
        (IPV4, Address(IPv4Address("192.0.2.1"), 32853), "192.0.2.1:32853"),
        (
            IPV6,
            Address(IPv6Address("2001:db8:1234:5678:11:2233:4455:6677"), 32853),
            "[2001:db8:1234:5678:11:2233:4455:6677]:32853",
        ),
    ],
)
def test_addresses(data: bytes, address: Address, text: str) -> None:
    answer = Request(Method.BINDING, (), None, TRANSACTION).response(data)
    assert answer is not None
    assert (answer.error, answer.mapped, str(answer.mapped)) == (0, address, text)


def test_long_term_credentials() -> None:
    # RFC 5769 §2.4; ours has a fingerprint behind
    login = Login("\u30de\u30c8\u30ea\u30c3\u30af\u30b9", "TheMatrIX", b"example.org", b"f//499k954d6OL34oL9FSTvy64sA")
    request = Request(Method.BINDING, (), login, bytes.fromhex("78ad3433c6ad72c029da412e"))
    assert request.data[-8:-4] == bytes.fromhex("80280004")
    assert request.data[20:-8] == bytes.fromhex(
        "00060012e3839ee38388e383aae38383e382afe382b900000015001c662f2f3439396b3935346436"
        "4f4c33346f4c394653547679363473410014000b6578616d706c652e6f726700"
        "00080014f67024656dd64a3e02b8e0712e85c9a28ca89666"
    )


def test_an_answer_is_for_one_request_and_by_who_knows_the_password() -> None:
    assert stun.binding().response(IPV4) is None
    assert Request(Method.ALLOCATE, (), None, TRANSACTION).response(IPV4) is None
    assert Request(Method.BINDING, (), Login("u", "p", b"r", b"n"), TRANSACTION).response(IPV4) is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        IPV4[:-1],
        IPV4 + b"\0",
        bytes.fromhex("010100042112a442") + TRANSACTION + bytes.fromhex("00200008"),
        bytes.fromhex("010100022112a442") + TRANSACTION + bytes(2),
    ],
)
def test_what_is_no_stun(data: bytes) -> None:
    with pytest.raises(StunError):
        stun.binding().response(data)


@pytest.mark.parametrize("size", [0, 4, 12])
def test_odd_addresses_are_none(size: int) -> None:
    data = (
        bytes((1, 1, 0, size + 4)) + bytes.fromhex("2112a442") + TRANSACTION + bytes((0, 0x20, 0, size)) + bytes(size)
    )
    answer = Request(Method.BINDING, (), None, TRANSACTION).response(data)
    assert answer is not None
    assert answer.mapped is None


@given(st.binary(max_size=60), st.sampled_from([0x0101, 0x0111]), st.booleans())
def test_any_answer_is_read_or_refused(body: bytes, kind: int, secured: bool) -> None:
    login = Login("u", "p", b"r", b"n") if secured else None
    data = stun.HEADER.pack(kind, len(body), stun.COOKIE, TRANSACTION) + body
    request = Request(Method.BINDING, (), login, TRANSACTION)
    try:
        answer = request.response(data)
    except StunError:
        return
    assert answer is None or (answer.error == 0) is (kind == 0x0101) or answer.error == 0
