"""RFC 7622: addresses."""

from __future__ import annotations

import copy
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xmpp_server import jid as module
from xmpp_server.jid import JID, JIDMalformed
from xmpp_server.xml.parser import parse as parse_xml


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("juliet@example.com", ("juliet", "example.com", None)),
        ("juliet@example.com/foo", ("juliet", "example.com", "foo")),
        ("juliet@example.com/foo bar", ("juliet", "example.com", "foo bar")),
        ("juliet@example.com/foo@bar", ("juliet", "example.com", "foo@bar")),
        ("foo\\20bar@example.com", ("foo\\20bar", "example.com", None)),
        ("fussball@example.com", ("fussball", "example.com", None)),
        ("fu\u00dfball@example.com", ("fu\u00dfball", "example.com", None)),
        ("\u03c0@example.com", ("\u03c0", "example.com", None)),
        ("\u03a3@example.com/foo", ("\u03c3", "example.com", "foo")),
        ("\u03c3@example.com/foo", ("\u03c3", "example.com", "foo")),
        ("\u03c2@example.com/foo", ("\u03c2", "example.com", "foo")),
        ("king@example.com/\u265a", ("king", "example.com", "\u265a")),
        ("example.com", (None, "example.com", None)),
        ("example.com/foobar", (None, "example.com", "foobar")),
        ("a.example.com/b@example.net", (None, "a.example.com", "b@example.net")),
    ],
)
def test_examples_of_the_rfc(text: str, parts: tuple[str | None, str, str | None]) -> None:
    jid = JID.parse(text)
    assert (jid.localpart, jid.domainpart, jid.resourcepart) == parts
    assert JID.of(*parts) is jid


@pytest.mark.parametrize(
    "text",
    [
        '"juliet"@example.com',
        "foo bar@example.com",
        "juliet@example.com/",
        "@example.com/",
        "henry\u2163@example.com",
        "\u265a@example.com",
        "juliet@",
        "/foobar",
        "",
        "@example.com",
        "a@b@c",
        "a@b/\x01",
        "a@b/\ud800",
        "\ud800@b",
        "a@\ud800",
        "a@my_host",
        "a@-b",
        "a@b..c",
        "a@.",
        "a@b c",
        "a@[::x]",
        "a@[::1%eth0]",
        "a@[::1%' b]",
        "a@example.com..",
        "a@example.com.\u3002",
        "a@xn--a",
        "a'b@c",
        "a&b@c",
        "a<b@c",
        "a:b@c",
        "\u200b@c",
        "a@" + "b" * 64,
        "a" * 1024 + "@b",
        "\u03c0" * 512 + "@b",
        "a@b/" + "c" * 1024,
        "a@b/" + "\u265a" * 342,
        "a" + "\u0300\u0316" * 50_000 + "@b",  # took minutes to prepare
        "a@b/" + "\u06f1" * 100_000,
        "a@" + "\u0301\u0316" * 50_000,
    ],
)
def test_malformed(text: str) -> None:
    with pytest.raises(JIDMalformed):
        JID.parse(text)


@pytest.mark.parametrize(
    ("text", "prepared"),
    [
        ("ROMEO@Example.ORG/Home", "romeo@example.org/Home"),
        ("a@b.", "a@b"),
        ("a@xn--bcher-kva.example", "a@b\u00fccher.example"),
        ("a@B\u00dcCHER.example", "a@b\u00fccher.example"),
        ("a@\uff45xample.com", "a@example.com"),
        ("a@[::0:1]", "a@[::1]"),
        ("a@example.com\u3002", "a@example.com"),
        ("a@example\uff0ecom\uff0e", "a@example.com"),
        ("a@XN--FA-HIA.de\uff61", "a@fa\u00df.de"),
        ("a@127.0.0.1", "a@127.0.0.1"),
        ("\uff41@b", "a@b"),
        ("a@b/\u00a0c", "a@b/ c"),
        ("a@b/e\u0301", "a@b/\u00e9"),
        ("a" * 1023 + "@b/" + "c" * 1023, "a" * 1023 + "@b/" + "c" * 1023),
    ],
)
def test_preparation(text: str, prepared: str) -> None:
    assert JID.parse(text) == prepared
    assert str(JID.parse(text)) == prepared


def test_kinds() -> None:
    full, bare, domain = JID.parse("a@b/c"), JID.parse("a@b"), JID.parse("b")
    assert (full.is_full, full.is_bare, full.is_domain) == (True, False, False)
    assert (bare.is_full, bare.is_bare, bare.is_domain) == (False, True, False)
    assert (domain.is_full, domain.is_bare, domain.is_domain) == (False, True, True)
    assert JID.parse("b/c").is_domain is False
    assert full.bare is bare
    assert bare.bare is bare
    assert bare.with_resource("c") is full
    assert full.with_resource("\u265a").resourcepart == "\u265a"
    with pytest.raises(JIDMalformed):
        bare.with_resource("")


def test_compares_as_text() -> None:
    assert sorted([JID.parse("b@x"), JID.parse("a@x/1"), JID.parse("a@x")]) == ["a@x", "a@x/1", "b@x"]
    assert {JID.parse("a@x"): 1}[JID.parse("A@X")] == 1
    assert JID.parse("a@x") != JID.parse("a@x/1")
    assert f"{JID.parse('a@x')}" == "a@x"
    assert repr(JID.parse("a@x")) == "JID('a@x')"
    assert type(str(JID.parse("a@x"))) is str


def test_never_changes() -> None:
    jid = JID.parse("a@x/1")
    with pytest.raises(AttributeError):
        jid.domainpart = "y"
    assert copy.copy(jid) is jid
    assert copy.deepcopy(jid) is jid
    assert pickle.loads(pickle.dumps(jid)) is jid


def test_encoded_stands_between_quotes() -> None:
    jid = JID.parse("a@x/<&'\">\u265a")
    assert jid.encoded == "a@x/&lt;&amp;&apos;&quot;&gt;\u265a".encode()


def test_the_cache_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CACHE_GENERATION", 10)
    cache = module._Cache()
    for number in range(100):
        assert cache[f"USER{number}@example.org"] == f"user{number}@example.org"
        assert cache["hot@example.org"] is cache["hot@example.org"]
        assert len(cache) <= 10
    assert cache["x" * 300 + "@example.org"].localpart == "x" * 300
    assert "x" * 300 + "@example.org" not in cache


PARTS = st.text(
    st.one_of(st.sampled_from("aA.@/ -\u03a3\u00df\u0130\uff21\u265a\u0301'&<"), st.characters()), max_size=8
)


@given(st.one_of(PARTS, st.tuples(PARTS, PARTS, PARTS).map(lambda p: f"{p[0]}@{p[1]}.org/{p[2]}")))
@settings(max_examples=300, deadline=None)
def test_preparation_is_stable(text: str) -> None:
    try:
        jid = JID.parse(text)
    except JIDMalformed:
        return
    assert module._Cache()[str(jid)] == jid
    assert JID.of(jid.localpart, jid.domainpart, jid.resourcepart) == jid
    assert jid.bare.resourcepart is None
    assert str(jid).startswith(str(jid.bare))
    assert parse_xml(b"<a b='%b'/>" % jid.encoded).get("b") == str(jid)
