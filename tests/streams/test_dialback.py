"""XEP-0220, XEP-0185: keys and elements."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xmpp_server.errors import Condition
from xmpp_server.streams import dialback
from xmpp_server.streams.dialback import Pair, Verdict

SECRET = b"s3cr3tf0rd14lb4ck"
KEY = "37c69b1cf07a3f67c04a5ef5902fa5114f2c76fe4a2686482ba5b89323075643"
DOMAINS = st.from_regex(r"[a-z]{1,8}\.[a-z]{2,5}", fullmatch=True)


def test_the_example_of_xep_0185():
    assert dialback.make_key(SECRET, "xmpp.example.com", "example.org", "D60000229F") == KEY


def test_the_authoritative_server_knows_its_key():
    pair = Pair("xmpp.example.com", "example.org")
    assert dialback.judge(SECRET, pair, "D60000229F", KEY) is Verdict.VALID


@pytest.mark.parametrize(
    ("sender", "target", "stream_id", "key"),
    [
        ("other.example.com", "example.org", "D60000229F", KEY),
        ("xmpp.example.com", "other.example.org", "D60000229F", KEY),
        ("xmpp.example.com", "example.org", "D60000229E", KEY),
        ("example.org", "xmpp.example.com", "D60000229F", KEY),
        ("xmpp.example.com", "example.org", "D60000229F", KEY.upper()),
        ("xmpp.example.com", "example.org", "D60000229F", "é"),
        ("xmpp.example.com", "example.org", "D60000229F", ""),
    ],
)
def test_a_key_is_good_for_one_stream_of_one_pair(sender, target, stream_id, key):
    """CVE-2016-0756: a key for one domain used for another; replay on another stream."""
    assert dialback.judge(SECRET, Pair(sender, target), stream_id, key) is Verdict.INVALID


@given(st.tuples(DOMAINS, DOMAINS, st.text()), st.tuples(DOMAINS, DOMAINS, st.text()))
def test_parts_do_not_run_into_one_another(one, other):
    try:
        keys = [dialback.make_key(SECRET, *parts) for parts in (one, other)]
    except UnicodeEncodeError:  # lone surrogates: no parser gives them
        return
    assert (keys[0] == keys[1]) == (one == other)


def test_elements():
    pair = Pair("a.example", "b.example")
    assert dialback.result(pair, "k") == b"<db:result from='a.example' to='b.example'>k</db:result>"
    assert dialback.result_answer(pair, Verdict.VALID) == b"<db:result from='a.example' to='b.example' type='valid'/>"
    assert dialback.verify(pair, "<'", "k") == (
        b"<db:verify from='a.example' to='b.example' id='&lt;&apos;'>k</db:verify>"
    )
    assert dialback.verify_answer(pair, "1", Verdict.ERROR, Condition.ITEM_NOT_FOUND) == (
        b"<db:verify from='a.example' to='b.example' id='1' type='error'><error type='cancel'>"
        b"<item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></db:verify>"
    )
