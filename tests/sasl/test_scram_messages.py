"""RFC 5802 §7: the grammar of SCRAM messages."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xmpp_server.errors import SaslCondition, SaslError
from xmpp_server.sasl.scram_messages import ClientFinal, ClientFirst, parse_client_final, parse_client_first


def test_client_first() -> None:
    assert parse_client_first(b"n,,n=user,r=fyko") == ClientFirst(
        gs2_header=b"n,,", bare=b"n=user,r=fyko", flag="n", binding="", authzid="", username="user", nonce="fyko"
    )


def test_client_first_with_everything() -> None:
    text = "p=tls-exporter,a=a=2Cb@c=3D,n=\u00fc=3D=2C,r=!+~,x=1,y=a=b".encode()
    first = parse_client_first(text)
    assert (first.flag, first.binding) == ("p", "tls-exporter")
    assert first.gs2_header + first.bare == text
    assert (first.authzid, first.username, first.nonce) == ("a,b@c=", "\u00fc=,", "!+~")


def test_an_escape_is_read_once() -> None:
    assert parse_client_first(b"n,,n==3D2C,r=a").username == "=2C"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"n",
        b"n,",
        b"n,,",
        b"n=user,r=a",
        b",,n=user,r=a",
        b"x,,n=user,r=a",
        b"N,,n=user,r=a",
        b"ny,,n=user,r=a",
        b"n,n=user,r=a",
        b"n,b=x,n=user,r=a",
        b"n,a=,n=user,r=a",
        b"p,,n=user,r=a",
        b"p=,,n=user,r=a",
        b"p=tls exporter,,n=user,r=a",
        b"n,,m=ext,n=user,r=a",
        b"n,,n=user,r=a,m=ext",
        b"n,,n=,r=a",
        b"n,,n=user",
        b"n,,n=user,r=",
        b"n,,r=a,n=user",
        b"n,,n=us=er,r=a",
        b"n,,n=us=2cer,r=a",
        b"n,,n=us\0er,r=a",
        b"n,,n=us\xffer,r=a",
        b"n,,n=user,r=a b",
        b"n,,n=user,r=\xc3\xa4",
        b"n,,n=user,r=a,",
        b"n,,n=user,r=a,x",
        b"n,,n=user,r=a,x=",
        b"n,,n=user,r=a,1=2",
        b"n,,n=user,r=a\n",
    ],
)
def test_malformed_client_first(data: bytes) -> None:
    with pytest.raises(SaslError) as caught:
        parse_client_first(data)
    assert caught.value.condition is SaslCondition.MALFORMED_REQUEST


def test_client_final() -> None:
    assert parse_client_final(b"c=biws,r=ab,x=1,p=AAE=") == ClientFinal(b"c=biws,r=ab,x=1", b"n,,", "ab", b"\0\x01")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"c=biws,r=ab",
        b"c=biws,p=AAE=",
        b"r=ab,c=biws,p=AAE=",
        b"c=,r=ab,p=AAE=",
        b"c=biw,r=ab,p=AAE=",
        b"c=bi ws,r=ab,p=AAE=",
        b"c=biws,r=ab,p=",
        b"c=biws,r=ab,p=A",
        b"c=biws,r=ab,p=AAE",
        b"c=biws,r=ab,p=AAE==",
        b"c=biws,r=ab,p=AAE=,",
        b"c=biws,r=ab,p=AAE=,x=1",
        b"c=biws,r=ab,m=1,p=AAE=",
        b"c=biws,r=,p=AAE=",
        b"c=biws,r=ab,p=\xff",
        b"c=biws,r=ab,p=AAE=\n",
    ],
)
def test_malformed_client_final(data: bytes) -> None:
    with pytest.raises(SaslError) as caught:
        parse_client_final(data)
    assert caught.value.condition is SaslCondition.MALFORMED_REQUEST


PIECES = st.lists(
    st.sampled_from(["n", "y", "p=tls-exporter", ",", "a=", "n=user", "r=x", "c=biws", "p=AAE=", "m=", "=2C", "\0"])
    | st.text(max_size=3)
).map(lambda parts: "".join(parts).encode())


@given(PIECES | st.binary(max_size=40))
def test_any_bytes_are_parsed_or_refused(data: bytes) -> None:
    for parse in (parse_client_first, parse_client_final):
        with suppress(SaslError):
            parse(data)
