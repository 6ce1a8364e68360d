"""RFC 6120 §6.4: SASL messages as elements."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xmpp_server.errors import SaslCondition, SaslError
from xmpp_server.streams import sasl_profile
from xmpp_server.xml.namespaces import SASL
from xmpp_server.xml.stanza import Stanza


def received(text: str, name: str = "response") -> Stanza:
    raw = f"<{name} xmlns='{SASL}'>{text}</{name}>".encode()
    return Stanza(name, SASL, {}, raw, (), raw.index(b">") + 1, False)


@given(st.binary(max_size=60))
def test_what_is_written_can_be_read(data: bytes) -> None:
    text = sasl_profile.challenge(data).decode().removeprefix(f"<challenge xmlns='{SASL}'").rstrip("/")
    content = text.removeprefix(">").removesuffix("</challenge>").removesuffix("/>")
    assert sasl_profile.response(received(content)) == data


def test_an_initial_response_may_be_missing_or_empty() -> None:
    assert sasl_profile.initial_response(received("", "auth")) is None
    assert sasl_profile.initial_response(received("=", "auth")) == b""
    assert sasl_profile.initial_response(received("AA==", "auth")) == b"\0"


def test_a_response_may_be_empty_in_two_ways() -> None:
    assert sasl_profile.response(received("")) == sasl_profile.response(received("=")) == b""


@pytest.mark.parametrize(
    "text", ["A", "AA", "AA=", "AAA", "A=A=", "AAAA=", "AAAA====", " AAAA", "AAAA\n", "AA-_", "\u00e9"]
)
def test_base64_is_strict(text: str) -> None:
    with pytest.raises(SaslError) as raised:
        sasl_profile.response(received(text))
    assert raised.value.condition is SaslCondition.INCORRECT_ENCODING


def test_success_tells_no_data_from_empty_data() -> None:
    assert sasl_profile.success(None) == f"<success xmlns='{SASL}'/>".encode()
    assert sasl_profile.success(b"") == f"<success xmlns='{SASL}'>=</success>".encode()
    assert sasl_profile.success(b"\0") == f"<success xmlns='{SASL}'>AA==</success>".encode()


@pytest.mark.parametrize("condition", SaslCondition)
def test_failure(condition: SaslCondition) -> None:
    start = f"<failure xmlns='{SASL}'><{condition.value}/>"
    assert sasl_profile.failure(SaslError(condition)).decode() == start + "</failure>"
    text = "<text xml:lang='en'>a &lt; b</text>"
    assert sasl_profile.failure(SaslError(condition, "a < b")).decode() == start + text + "</failure>"
