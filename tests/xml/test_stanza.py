"""Stanzas as bytes."""

from __future__ import annotations

import pytest

from xmpp_server.errors import StreamError
from xmpp_server.jid import JID
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import CLIENT
from xmpp_server.xml.parser import parse
from xmpp_server.xml.scanner import ScanLimits, Scanner
from xmpp_server.xml.stanza import STANDARD_SCOPE, Scope, Stanza, start_tag_end

ROMEO = JID.parse("romeo@example.org/o'rchard")
JULIET = JID.parse("juliet@example.org")
FROM = b" from='%b'" % ROMEO.encoded
HEADER = b"<stream:stream xmlns='%b' xmlns:stream='http://etherx.jabber.org/streams'%b>"


def received(raw: bytes, ns: bytes = b"jabber:client", declared: bytes = b"") -> Stanza:
    scanner = Scanner(ScanLimits())
    scanner.step = False
    stanza = scanner.feed(HEADER % (ns, declared) + raw)[1]
    assert isinstance(stanza, Stanza)
    return stanza


def stamped(raw: bytes, ns: bytes = b"jabber:client", declared: bytes = b"") -> Stanza:
    stanza = received(raw, ns, declared)
    stanza.stamp(ROMEO, JULIET, FROM)
    return stanza


@pytest.mark.parametrize(
    ("raw", "wire"),
    [
        (b"<iq/>", b"<iq@/>"),
        (b"<iq id='1'><a/></iq>", b"<iq@ id='1'><a/></iq>"),
        (b"<iq from='x' id='1'><a/></iq>", b"<iq@ id='1'><a/></iq>"),
        (b'<iq id=\' from="y"\' from = "x\'>" />', b"<iq@ id=' from=\"y\"' />"),
        (b"<iq xmlns='jabber:client' from='x'/>", b"<iq@/>"),
        (b"<iq xml:lang='de' xmlns='jabber:client'/>", b"<iq@ xml:lang='de'/>"),
        (b"<iq\n\tid='>'\nfrom='x'></iq>", b"<iq@\n\tid='>'></iq>"),
        (b"<iq>stream: <b/></iq>", b"<iq@>stream: <b/></iq>"),
        (b"<p:iq xmlns:p='jabber:client' from='x'><p:a/></p:iq>", b"<iq@><a/></iq>"),
        (b"<iq xmlns:p='urn:p'><p:a/></iq>", b"<iq@><a xmlns='urn:p'/></iq>"),
        (b"<iq><stream:a/></iq>", b"<iq@><a xmlns='http://etherx.jabber.org/streams'/></iq>"),
        (b"<iq xmlns='jabber:server'><a/></iq>", b"<iq@><a/></iq>"),
    ],
)
def test_stamp_sets_from_alone(raw: bytes, wire: bytes) -> None:
    stanza = stamped(raw)
    assert stanza.wire == wire.replace(b"@", FROM)
    assert (stanza.sender, stanza.to) == (ROMEO, JULIET)
    assert stanza.element.get("from") == str(ROMEO)
    assert parse(stanza.wire) == stanza.element
    assert stanza.raw == raw


def test_stamp_refuses_what_grows_by_its_namespaces() -> None:
    raw = b"<iq xmlns:p='urn:%b'>%%b</iq>" % (b"n" * 200)
    assert len(stamped(raw % (b"<p:a/>" * 200)).wire) < 65_536
    with pytest.raises(StreamError, match="policy-violation"):
        stamped(raw % (b"<p:a/>" * 2000))


def test_stamp_resolves_prefixes_of_the_header() -> None:
    stanza = stamped(b"<iq><p:a p:b='1'/></iq>", declared=b" xmlns:p='urn:p'")
    assert parse(stanza.wire).first == Element("a", "urn:p", {"urn:p b": "1"})


def test_stamp_of_servers_and_components() -> None:
    assert stamped(b"<iq><a/></iq>", b"jabber:server").wire == b"<iq%b><a/></iq>" % FROM
    explicit = stamped(b"<iq xmlns='jabber:component:accept'><a/></iq>", b"jabber:component:accept")
    assert explicit.wire == b"<iq%b><a/></iq>" % FROM


@pytest.mark.parametrize("raw", [b"<iq/>", b"<iq from='x'/>", b"<iq xmlns:p='urn:p' p:x=''/>"])
def test_stamp_adds_the_language_of_the_stream(raw: bytes) -> None:
    stanza = received(raw)
    stanza.stamp(ROMEO, None, FROM + b" xml:lang='de'", "de")
    assert parse(stanza.wire).get("xml:lang") == "de"


def test_stamp_keeps_the_language_of_the_stanza() -> None:
    stanza = received(b"<iq xml:lang='en' xmlns:p='urn:p'/>")
    stanza.stamp(ROMEO, None, FROM, "de")
    assert parse(stanza.wire).get("xml:lang") == "en"


@pytest.mark.parametrize(
    ("raw", "wire"),
    [
        (b"<message from='a@b' to='c@d'/>", b"<message from='a@b' to='c@d'/>"),
        (b"<message from='A@B' to='c@d'/>", b"<message from='a@b' to='c@d'/>"),
        (b"<message xmlns='jabber:client' from='a@b'/>", b"<message from='a@b'/>"),
        (b"<message to='c@d'/>", b"<message from='a@b' to='c@d'/>"),
        (b"<message from='a@b'><stream:x/></message>", None),
    ],
)
def test_accept_keeps_the_bytes_where_they_mean_the_same_everywhere(raw: bytes, wire: bytes | None) -> None:
    stanza = received(raw, b"jabber:component:accept")
    stanza.accept(JID.parse("a@b"), JID.parse("c@d"))
    assert (stanza.sender, stanza.to) == ("a@b", "c@d")
    assert stanza.element.get("from") == "a@b"
    if wire is None:
        assert b"<stream:" not in stanza.wire
    else:
        assert stanza.wire == wire
    assert (stanza.wire is stanza.raw) == (raw == wire)


def test_element_before_and_after_the_stamp() -> None:
    stanza = received(b"<iq from='x'/>")
    assert stanza.element.get("from") == "x"
    assert stanza.element is stanza.element
    stanza.stamp(ROMEO, None, FROM)
    assert stanza.element.get("from") == str(ROMEO)


@pytest.mark.parametrize(
    ("raw", "wire"),
    [
        (b"<iq/>", b"<iq@><z/></iq>"),
        (b"<iq id='/>' />", b"<iq@ id='/>' ><z/></iq>"),
        (b"<iq><a/></iq >", b"<iq@><a/><z/></iq >"),
        (b"<iq><a><![CDATA[</iq>]]></a></iq>", b"<iq@><a><![CDATA[</iq>]]></a><z/></iq>"),
        (b"<iq>/></iq>", b"<iq@>/><z/></iq>"),
    ],
)
def test_splice(raw: bytes, wire: bytes) -> None:
    stanza = stamped(raw)
    assert stanza.splice(b"<z/>") == wire.replace(b"@", FROM)
    assert [e.name for e in parse(stanza.splice(b"<z/>")).elements()][-1] == "z"


@pytest.mark.parametrize(
    "raw", [b"<iq to='x' id='1'><a to='x'/></iq>", b"<iq id=\" to='x'\"/>", b'<iq to="\'>"/>', b"<iq/>"]
)
def test_readdressed(raw: bytes) -> None:
    stanza = stamped(raw)
    for jid in (JULIET, ROMEO):
        tree = parse(stanza.readdressed(jid))
        assert tree.get("to") == str(jid)
        expected = stanza.element.copy()
        expected.attrs["to"] = str(jid)
        assert tree == expected


def test_build() -> None:
    element = Element("message", CLIENT, {"from": "x", "to": "y", "id": "1", "type": "chat"})
    element.add("body", text="<hi>")
    element.add("x", "urn:x")
    stanza = Stanza.build(element, ROMEO, JULIET)
    assert stanza.wire == stanza.raw
    assert stanza.wire == (
        b"<message%b to='juliet@example.org' id='1' type='chat'><body>&lt;hi&gt;</body><x xmlns='urn:x'/></message>"
        % FROM
    )
    assert stanza.children == ("jabber:client body", "urn:x x")
    assert (stanza.id, stanza.type, stanza.sender, stanza.to) == ("1", "chat", ROMEO, JULIET)
    assert stanza.element == parse(stanza.wire)
    assert stanza.attrs == stanza.element.attrs
    assert element.attrs["from"] == "x"
    assert stanza.raw[: stanza.head_end].endswith(b"'chat'>")


def test_build_without_addresses() -> None:
    stanza = Stanza.build(Element("iq", CLIENT, {"from": "x", "to": "y"}), None, None)
    assert stanza.wire == b"<iq/>"
    assert stanza.splice(b"<a/>") == b"<iq><a/></iq>"


def test_scope() -> None:
    assert STANDARD_SCOPE.is_standard
    assert not Scope("urn:x").is_standard
    assert not Scope(prefixes={}).is_standard


def test_start_tag_end() -> None:
    data = b"xx<a b='>' c = \"/>\" >rest>"
    assert data[: start_tag_end(data, 2)] == b"xx<a b='>' c = \"/>\" >"


def test_repr_hides_the_content() -> None:
    assert "secret" not in repr(received(b"<message><body>secret</body></message>"))


def test_annotated_is_a_copy() -> None:
    stanza = stamped(b"<message to='x'><body>hi</body></message>")
    wire = stanza.wire
    copy = stanza.annotated(b"<z xmlns='urn:z'/>", "urn:z z")
    assert copy.children == ("jabber:client body", "urn:z z")
    assert copy.wire == stanza.splice(b"<z xmlns='urn:z'/>")
    assert (copy.sender, copy.to) == (ROMEO, JULIET)
    assert copy.element.find("z", "urn:z") is not None
    assert (stanza.wire, stanza.children) == (wire, ("jabber:client body",))


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"<a>dGV4dA==</a>", "dGV4dA=="),
        (b"<a b='>'> x\n</a >", " x\n"),
        (b"<a/>", ""),
        (b"<a></a>", ""),
        (b"<a b='1'/>", ""),
        ("<a>\N{SNOWMAN}</a>".encode(), "\N{SNOWMAN}"),
        (b"<a>&lt;&#x41;</a>", "<A"),
        (b"<a>1<![CDATA[</b>]]>2</a>", "1</b>2"),
        (b"<a>\r\n\r</a>", "\n\n"),
        (b"<a>1<b>2</b>3</a>", "13"),
    ],
)
def test_text_is_that_of_the_tree(raw: bytes, text: str) -> None:
    stanza = received(raw)
    assert stanza.text == stanza.element.text == text
