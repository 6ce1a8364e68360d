"""What clients ask, in form and page."""

from __future__ import annotations

from contextlib import suppress
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.xmpp_archive.answers import stamp
from components.xmpp_archive.query import FULLTEXT, Query, form
from components.xmpp_component.errors import RequestError

FORM = "<field var='FORM_TYPE'><value>urn:xmpp:mam:2</value></field>"


def parse(fields: str = "", rsm: str = "", more: str = "") -> Query:
    x = f"<x xmlns='jabber:x:data' type='submit'>{FORM}{fields}</x>" if fields else ""
    page = f"<set xmlns='http://jabber.org/protocol/rsm'>{rsm}</set>" if rsm else ""
    return Query.parse(ET.fromstring(f"<query xmlns='urn:xmpp:mam:2' queryid='q'>{x}{page}{more}</query>"), 50, 100)


def field(name: str, *values: str) -> str:
    return f"<field var='{name}'>" + "".join(f"<value>{value}</value>" for value in values) + "</field>"


def test_everything() -> None:
    query = parse(
        field("with", "Juliet@Example.org")
        + field("start", "1970-01-01T00:00:01.0001Z")
        + field("end", "1970-01-01T01:00:02.9999+01:00")
        + field("before-id", "b")
        + field("after-id", "a")
        + field("ids", "x", "y", "x")
        + field("include-groupchat", "false"),
        "<max>10</max><before/>",
        "<flip-page/>",
    )
    assert query == Query(
        "q", "juliet@example.org", 1001, 2999, "b", "a", ("x", "y"), False, True, after=None, before="", most=10
    )
    assert query.backwards
    assert set(query.named_ids) == {"a", "b", "x", "y"}


def test_nothing() -> None:
    assert parse() == Query("q", most=50)
    assert parse(rsm="<max>1000000000</max>").most == 100


@pytest.mark.parametrize(
    ("fields", "rsm", "condition"),
    [
        (field("start", "yesterday"), "", "bad-request"),
        (field("start", "2024-02-30T00:00:00Z"), "", "bad-request"),
        (field("end", "99999-01-01T00:00:00Z"), "", "bad-request"),
        (field("with", "@@"), "", "jid-malformed"),
        (field("with", "a@b", "c@d"), "", "bad-request"),
        (field("ids"), "", "bad-request"),
        (field("ids", *map(str, range(101))), "", "bad-request"),
        (field("{colour}", "red"), "", "feature-not-implemented"),
        ("", "<max>-1</max>", "bad-request"),
        ("", "<max>banana</max>", "bad-request"),
        ("", "<max>²</max>", "bad-request"),
        ("", "<index>10</index>", "feature-not-implemented"),
    ],
)
def test_bad(fields: str, rsm: str, condition: str) -> None:
    with pytest.raises(RequestError) as caught:
        parse(fields, rsm)
    assert caught.value.condition == condition


def test_form_of_another_type() -> None:
    x = "<x xmlns='jabber:x:data'><field var='FORM_TYPE'><value>a</value></field></x>"
    with pytest.raises(RequestError, match="bad-request"):
        Query.parse(ET.fromstring(f"<query xmlns='urn:xmpp:mam:2'>{x}</query>"), 50, 100)


def test_the_form_that_is_offered_can_be_submitted() -> None:
    names = [one.get("var") for one in form(search=True).iter("{jabber:x:data}field")]
    assert {"with", "start", "end", "before-id", "after-id", "ids", FULLTEXT} <= set(names)
    assert FULLTEXT not in [one.get("var") for one in form(search=False).iter("{jabber:x:data}field")]


@given(st.integers(0, 253_402_300_799_999))
def test_times_come_back(milliseconds: int) -> None:
    text = stamp(milliseconds)
    query = parse(field("start", text) + field("end", text))
    assert (query.start_ms, query.end_ms) == (milliseconds, milliseconds)


@given(st.text(max_size=30), st.text(max_size=30))
def test_no_text_does_harm(start: str, most: str) -> None:
    query = ET.Element("{urn:xmpp:mam:2}query")
    x = ET.SubElement(query, "{jabber:x:data}x")
    one = ET.SubElement(x, "{jabber:x:data}field", {"var": "start"})
    ET.SubElement(one, "{jabber:x:data}value").text = start
    rsm = ET.SubElement(query, "{http://jabber.org/protocol/rsm}set")
    ET.SubElement(rsm, "{http://jabber.org/protocol/rsm}max").text = most
    with suppress(RequestError):
        Query.parse(query, 50, 100)
