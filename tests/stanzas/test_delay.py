"""XEP-0203, XEP-0082."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xmpp_server.jid import JID
from xmpp_server.stanzas.delay import Delay, format_datetime, parse_datetime
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import DELAY

MOON = datetime(1969, 7, 21, 2, 56, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "stamp"),
    [
        ("1969-07-21T02:56:15Z", MOON),
        ("1969-07-20T21:56:15-05:00", MOON),  # XEP-0082 §3.2
        ("1969-07-21T16:56:15+14:00", MOON),
        ("1969-07-21T02:56:15.5Z", MOON + timedelta(milliseconds=500)),
        ("1969-07-21T02:56:15.1234567891Z", MOON + timedelta(microseconds=123456)),
        ("2016-12-31T23:59:60Z", datetime(2017, 1, 1, tzinfo=UTC)),
    ],
)
def test_parse(text: str, stamp: datetime) -> None:
    parsed = parse_datetime(text)
    assert parsed == stamp
    assert parsed.tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1969-07-21",
        "19690721T02:56:15",
        "1969-07-21T02:56:15",
        "1969-07-21 02:56:15Z",
        "1969-07-21T02:56:15z",
        "1969-13-21T02:56:15Z",
        "1969-02-30T02:56:15Z",
        "1969-07-21T24:00:01Z",
        "1969-07-21T02:56:61Z",
        "1969-07-21T02:56:15+14:01",
        "1969-07-21T02:56:15+01:60",
        "0000-07-21T02:56:15Z",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:60Z",
        "12345-07-21T02:56:15Z",
        "1969-07-21T02:56:15.Z",
        "١٩٦٩-07-21T02:56:15Z",
        "1969-07-21T02:56:15Z\n",
    ],
)
def test_parse_refuses(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_datetime(text)


def test_format() -> None:
    assert format_datetime(MOON) == "1969-07-21T02:56:15Z"
    assert format_datetime(MOON.replace(microsecond=1000)) == "1969-07-21T02:56:15.001000Z"
    assert format_datetime(MOON.astimezone(timezone(timedelta(hours=3)))) == "1969-07-21T02:56:15Z"
    with pytest.raises(ValueError, match="zone"):
        format_datetime(MOON.replace(tzinfo=None))


@given(st.datetimes(timezones=st.just(UTC)))
def test_round_trip(stamp: datetime) -> None:
    assert parse_datetime(format_datetime(stamp)) == stamp


@given(st.text(max_size=40))
def test_parse_raises_nothing_but_value_errors(text: str) -> None:
    with suppress(ValueError):
        parse_datetime(text)


def test_element_round_trip() -> None:
    delay = Delay(MOON, JID.parse("capulet.com"), "Offline Storage")
    parent = Element("message", "jabber:client").append(delay.to_element())
    assert parent.children == [
        Element("delay", DELAY, {"from": "capulet.com", "stamp": "1969-07-21T02:56:15Z"}, "Offline Storage")
    ]
    assert Delay.of(parent) == delay


def test_bare_element() -> None:
    element = Delay(MOON).to_element()
    assert element == Element("delay", DELAY, {"stamp": "1969-07-21T02:56:15Z"})
    assert Delay.of(Element("message", "jabber:client").append(element)) == Delay(MOON)


def test_ill_formed_notes_are_passed_over() -> None:
    parent = Element("message", "jabber:client")
    parent.add("delay", DELAY)
    parent.add("delay", DELAY, stamp="yesterday")
    parent.append(Element("delay", DELAY, {"stamp": "1969-07-21T02:56:15Z", "from": "@"}))
    assert Delay.of(parent) is None
    parent.append(Delay(MOON).to_element())
    assert Delay.of(parent) == Delay(MOON)
