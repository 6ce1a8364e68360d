"""The stream scanner: THREATS "XML level", chunk invariance, robustness."""

from __future__ import annotations

import pytest

from xmpp_server.errors import StreamCondition, StreamError
from xmpp_server.xml.events import Event
from xmpp_server.xml.namespaces import CLIENT, STREAM
from xmpp_server.xml.scanner import ParserPool, ScanLimits, Scanner, StreamFooter, StreamHeader
from xmpp_server.xml.stanza import Stanza, start_tag_end

HEADER = (
    b"<?xml version='1.0'?><stream:stream to='example.org' version='1.0' xml:lang='en' "
    b"xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
)
FOOTER = b"</stream:stream>"
LIMITS = ScanLimits(stanza_bytes=2_000, elements=40, depth=8, attributes=10)


def scan(data: bytes, chunk: int = 0, limits: ScanLimits = LIMITS, step: bool = False) -> list[Event]:
    """Feed in chunks of one size; 0 feeds all at once."""
    scanner = Scanner(limits, ParserPool())
    scanner.step = step
    events: list[Event] = []
    for at in range(0, len(data), chunk or len(data)):
        events += scanner.feed(data[at : at + (chunk or len(data))])
        while step and (more := scanner.feed(b"")):
            events += more
    return events


def facts(events: list[Event]) -> list[object]:
    """What two scans must agree on."""
    return [
        (e.name, e.ns, e.attrs, e.raw, e.children, e.head_end, e.plain)
        if isinstance(e, Stanza)
        else e.condition
        if isinstance(e, StreamError)
        else e
        for e in events
    ]


def stanzas(data: bytes, **options: object) -> list[Stanza]:
    events = scan(HEADER + data)
    assert isinstance(events[0], StreamHeader)
    assert not [e for e in events if isinstance(e, StreamError)]
    return [e for e in events if isinstance(e, Stanza)]


def condition(data: bytes, limits: ScanLimits = LIMITS) -> StreamCondition | None:
    """The error that ends a scan, the same whole, byte by byte and in step mode."""
    whole = scan(data, limits=limits)
    assert facts(whole) == facts(scan(data, 1, limits)) == facts(scan(data, 7, limits, step=True))
    return whole[-1].condition if whole and isinstance(whole[-1], StreamError) else None


def inside(data: bytes) -> StreamCondition | None:
    return condition(HEADER + data)


class TestHeader:
    def test_reports_attributes_and_namespaces(self) -> None:
        [header] = scan(HEADER)
        assert header == StreamHeader(
            {"to": "example.org", "version": "1.0", "xml:lang": "en"},
            {"stream": STREAM},
            CLIENT,
            "stream",
            STREAM,
        )

    def test_may_follow_white_space(self) -> None:
        assert condition(b" \r\n" + HEADER) is None
        assert len(scan(b" \r\n" + HEADER, 1)) == 1

    def test_may_be_the_whole_stream(self) -> None:
        events = scan(HEADER[:-1] + b"/>")
        assert isinstance(events[1], StreamFooter)
        assert facts(events) == facts(scan(HEADER[:-1] + b"/>", 1, step=True))

    def test_may_hold_a_greater_than_sign(self) -> None:
        [header] = scan(HEADER.replace(b"'en'", b"'>>'"), 1)
        assert isinstance(header, StreamHeader)
        assert header.attrs["xml:lang"] == ">>"

    def test_declares_a_client_s_own_prefixes(self) -> None:
        head = b"<s:stream xmlns='jabber:client' xmlns:s='%b' xmlns:x='urn:x' xmlns:xml='%b'>" % (
            STREAM.encode(),
            b"http://www.w3.org/XML/1998/namespace",
        )
        data = head + b"<message><x:a x:b='1'/></message><x:y/></s:stream>"
        events = scan(data)
        assert facts(events) == facts(scan(data, 1)) == facts(scan(data, 1, step=True))
        header, message, other, footer = events
        assert isinstance(header, StreamHeader)
        assert isinstance(message, Stanza)
        assert isinstance(other, Stanza)
        assert isinstance(footer, StreamFooter)
        assert header.namespaces == {"s": STREAM, "x": "urn:x"}
        assert message.children == ("urn:x a",)
        assert not message.plain
        assert message.element.first is not None
        assert message.element.first.attrs == {"urn:x b": "1"}
        assert (other.ns, other.name) == ("urn:x", "y")

    def test_content_namespaces_are_read_as_one(self) -> None:
        head = HEADER.replace(b"jabber:client", b"jabber:server")
        header, stanza = scan(head + b"<iq><query xmlns='q'/></iq>")
        assert isinstance(header, StreamHeader)
        assert isinstance(stanza, Stanza)
        assert header.default_ns == "jabber:server"
        assert (stanza.ns, stanza.plain) == (CLIENT, True)

    @pytest.mark.parametrize(
        ("data", "expected"),
        [
            (b"<a/>", StreamCondition.BAD_FORMAT),
            (b"<stream xmlns='urn:x'>", StreamCondition.INVALID_NAMESPACE),
            (b"<stream:stream>", StreamCondition.BAD_NAMESPACE_PREFIX),
            (b"GET / HTTP/1.1\r\n", StreamCondition.NOT_WELL_FORMED),
            (b"\x16\x03\x01\x02\x00", StreamCondition.NOT_WELL_FORMED),
            (b"\xef\xbb\xbf" + HEADER, StreamCondition.NOT_WELL_FORMED),
            (HEADER.decode().encode("utf-16"), StreamCondition.UNSUPPORTED_ENCODING),
            (HEADER.decode().encode("utf-16-le"), StreamCondition.UNSUPPORTED_ENCODING),
            (HEADER.decode().encode("utf-16-be"), StreamCondition.UNSUPPORTED_ENCODING),
            (b"<?xml version='1.0' encoding='latin1'?>", StreamCondition.UNSUPPORTED_ENCODING),
            (b"<?xml version='1.0' encoding='utf-8'?>" + HEADER[21:], None),
            (b"<?xml version='1.1'?>", StreamCondition.NOT_WELL_FORMED),
            (HEADER.replace(b"'en'", b"'\xff'"), StreamCondition.UNSUPPORTED_ENCODING),
            (b"<?xml version='1.0'?><!-- -->", StreamCondition.RESTRICTED_XML),
            (b"<?x?>", StreamCondition.RESTRICTED_XML),
            (b"<!DOCTYPE a [<!ENTITY b 'c'><!ENTITY d '&b;&b;'>]>", StreamCondition.RESTRICTED_XML),
            (b"<!DOCTYPE a SYSTEM 'file:///etc/passwd'>", StreamCondition.RESTRICTED_XML),
            (b"<" + b"a" * 2_000, StreamCondition.POLICY_VIOLATION),
            (b"<a b='" + b">" * 1_999, StreamCondition.POLICY_VIOLATION),
            (HEADER.replace(b"to=", b"".join(b"a%d='' " % n for n in range(10)) + b"to="), "too many"),
        ],
    )
    def test_refuses(self, data: bytes, expected: StreamCondition | str | None) -> None:
        found = condition(data)
        assert found is (StreamCondition.POLICY_VIOLATION if expected == "too many" else expected)


class TestStanzas:
    def test_keeps_bytes_and_facts(self) -> None:
        raw = b"<message to='a@b' id='1' type='chat'><body>hi</body><x xmlns='urn:x'><y/></x></message>"
        [stanza] = stanzas(b" \n" + raw + b" \n")
        assert stanza.raw == raw
        assert stanza.children == ("jabber:client body", "urn:x x")
        assert stanza.attrs == {"to": "a@b", "id": "1", "type": "chat"}
        assert (stanza.ns, stanza.name, stanza.id, stanza.type) == (CLIENT, "message", "1", "chat")
        assert raw[: stanza.head_end].endswith(b"'chat'>")
        assert stanza.plain

    @pytest.mark.parametrize(
        "raw",
        [
            b"<presence/>",
            b"<presence />",
            b"<presence></presence >",
            b"<presence id='/'></presence>",
            b"<presence>/></presence>",
            b"<presence id='>'/>",
            b"<presence id='/>'></presence>",
            b'<presence\n\tid = "\'>"\r/>',
            b"<message><body><![CDATA[</message><a>]]></body></message>",
            b"<message><body>\xf0\x9f\x98\x80 &lt;&#x41;</body></message>",
            b"<message xml:lang='de'/>",
        ],
    )
    def test_are_found_between_others(self, raw: bytes) -> None:
        data = HEADER + raw + b"<iq/>" + raw + b"\n" + raw + FOOTER
        events = scan(data)
        assert facts(events) == facts(scan(data, 1)) == facts(scan(data, 3, step=True))
        found = [e.raw for e in events if isinstance(e, Stanza)]
        assert found == [raw, b"<iq/>", raw, raw]
        first = events[1]
        assert isinstance(first, Stanza)
        assert first.plain
        assert first.raw[first.head_end - 1 : first.head_end] == b">"
        assert isinstance(events[-1], StreamFooter)

    @pytest.mark.parametrize(
        "raw",
        [
            b"<message from='a'/>",
            b"<message xmlns='jabber:client'/>",
            b"<message xmlns:a='urn:a' a:b='c'/>",
            b"<message><stream:a/></message>",
            b"<a:message xmlns:a='jabber:client'/>",
            b"<r xmlns='urn:xmpp:sm:3'/>",
        ],
    )
    def test_are_not_plain(self, raw: bytes) -> None:
        [stanza] = stanzas(raw)
        assert not stanza.plain
        assert stanza.raw == raw

    @pytest.mark.parametrize(
        "raw",
        [
            b"<message xmlns:a='>'/>",
            b"<message to='b' xmlns:a='/>' id='1'/>",
            b"<message xmlns:a='>' xmlns:b='>' from='c'><b:body>t</b:body></message>",
            b"<r xmlns='urn:xmpp:sm:3' xmlns:a='>'/>",
            b"<r xmlns='>'/>",
            b"<a:iq xmlns='>' xmlns:a='jabber:client'/>",
        ],
    )
    def test_a_namespace_may_hold_a_greater_than_sign(self, raw: bytes) -> None:
        """Else the next stanza would begin inside its own content, and an attacker could write whole stanzas there."""
        trojan = b"<message to='b'><message/><message from='boss@c' to='b'><body>pay</body></message></message>"
        data = HEADER + raw + trojan + FOOTER
        events = scan(data)
        assert facts(events) == facts(scan(data, 1)) == facts(scan(data, 3, step=True))
        found = [e for e in events if isinstance(e, Stanza)]
        assert [e.raw for e in found] == [raw, trojan]
        assert raw[: found[0].head_end] == raw[: start_tag_end(raw, 0)]

    def test_xml_lang_is_named_shortly(self) -> None:
        assert stanzas(b"<iq xml:lang='de'/>")[0].attrs == {"xml:lang": "de"}

    def test_nothing_follows_the_footer(self) -> None:
        data = HEADER + FOOTER + b"<iq/>junk"
        assert facts(scan(data)) == facts(scan(data, 1))
        assert [type(e) for e in scan(data)] == [StreamHeader, StreamFooter]

    def test_white_space_is_a_keepalive(self) -> None:
        scanner = Scanner(LIMITS)
        scanner.step = False
        scanner.feed(HEADER)
        for _ in range(10):
            assert scanner.feed(b" \r\n" * 2_000) == []
        assert scanner.pending == 0


class TestRefusals:
    @pytest.mark.parametrize(
        ("data", "expected"),
        [
            (b"<!-- c --><iq/>", StreamCondition.RESTRICTED_XML),
            (b"<iq><!-- c --></iq>", StreamCondition.RESTRICTED_XML),
            (b"<?p i?>", StreamCondition.RESTRICTED_XML),
            (b"<iq><?p i?></iq>", StreamCondition.RESTRICTED_XML),
            (b"<!DOCTYPE a>", StreamCondition.RESTRICTED_XML),
            (b"<iq><!DOCTYPE a></iq>", StreamCondition.RESTRICTED_XML),
            (b"<iq>&undefined;</iq>", StreamCondition.RESTRICTED_XML),
            (b"<?xml version='1.0'?>", StreamCondition.NOT_WELL_FORMED),
            (b"<iq></message>", StreamCondition.NOT_WELL_FORMED),
            (b"</iq>", StreamCondition.NOT_WELL_FORMED),
            (b"<iq a='1' a='2'/>", StreamCondition.NOT_WELL_FORMED),
            (b"<iq a='<'/>", StreamCondition.NOT_WELL_FORMED),
            (b"<iq>]]></iq>", StreamCondition.NOT_WELL_FORMED),
            (b"<iq>\0</iq>", StreamCondition.NOT_WELL_FORMED),
            (b"<iq>&#1;</iq>", StreamCondition.NOT_WELL_FORMED),
            (b"<iq>\x01</iq>", StreamCondition.NOT_WELL_FORMED),
            (b"<iq>\xef\xbf\xbf</iq>", StreamCondition.NOT_WELL_FORMED),
            (b"<iq>&#xFFFF;</iq>", StreamCondition.NOT_WELL_FORMED),
            (b"<iq>\xff</iq>", StreamCondition.UNSUPPORTED_ENCODING),
            (b"<iq>\xed\xa0\x80</iq>", StreamCondition.UNSUPPORTED_ENCODING),
            (b"<iq\xe4\xb8\x27>", StreamCondition.UNSUPPORTED_ENCODING),
            (b"<x:iq/>", StreamCondition.BAD_NAMESPACE_PREFIX),
            (b"<iq x:a=''/>", StreamCondition.BAD_NAMESPACE_PREFIX),
            (b"<a:b:c/>", StreamCondition.NOT_WELL_FORMED),
            (b"<iq xmlns:xml='urn:x'/>", StreamCondition.NOT_WELL_FORMED),
            (b"<iq xmlns:xmlns='urn:x'/>", StreamCondition.NOT_WELL_FORMED),
            (b"<iq xmlns:x='http://www.w3.org/XML/1998/namespace'/>", StreamCondition.NOT_WELL_FORMED),
            (b"<iq xmlns:x=''/>", StreamCondition.NOT_WELL_FORMED),
            (b"<iq xmlns='a b'/>", StreamCondition.NOT_WELL_FORMED),
            (b"text", StreamCondition.BAD_FORMAT),
            (b"<iq/>text<iq/>", StreamCondition.BAD_FORMAT),
            (b"<iq/>text><iq/>", StreamCondition.BAD_FORMAT),
            (b"<iq/>&amp;<iq/>", StreamCondition.BAD_FORMAT),
            (b"<iq/><![CDATA[]]><iq/>", StreamCondition.BAD_FORMAT),
            (b"<![CDATA[</iq ]]>", StreamCondition.BAD_FORMAT),
            (b"<iq/>text</stream:stream>", StreamCondition.BAD_FORMAT),
            (b"<iq/>text<!-- -->", StreamCondition.BAD_FORMAT),
            (HEADER[21:], StreamCondition.UNSUPPORTED_STANZA_TYPE),
            (b"<stream:stream/>", StreamCondition.UNSUPPORTED_STANZA_TYPE),
        ],
    )
    def test_what_is_no_xmpp(self, data: bytes, expected: StreamCondition) -> None:
        assert inside(data) is expected
        assert inside(b"<iq/>" + data + b"<iq/>") is expected

    @pytest.mark.parametrize(
        "data",
        [
            b"<iq>" + b"x" * 2_000,
            b"<iq>" + b"x" * 2_000 + b"</iq>",
            b"<iq>" + b"<a/>" * 20 + b"x" * 2_000 + b"</wrong>",
            b"<iq " + b"x" * 2_000,
            b"<iq>" + b"<a>" * 8,
            b"<iq>" + b"<a><b/></a>" * 20 + b"</iq>",
            b"<iq>" + b"<a/>" * 40 + b"</iq>",
            b"<iq>" + b"<a " + b"".join(b"a%d='' " % n for n in range(11)) + b"/></iq>",
            b"<iq " + b"".join(b"a%d='' " % n for n in range(11)) + b"/>",
        ],
    )
    def test_what_exceeds_the_limits(self, data: bytes) -> None:
        assert inside(data) is StreamCondition.POLICY_VIOLATION

    @pytest.mark.parametrize(
        "raw",
        [
            b"<iq>" + b"x" * 1_991 + b"</iq>",
            b"<iq>" + b"<a>" * 7 + b"</a>" * 7 + b"</iq>",
            b"<iq>" + b"<a/>" * 39 + b"</iq>",
            b"<iq " + b"".join(b"a%d='' " % n for n in range(10)) + b"/>",
        ],
    )
    def test_the_limits_are_allowed(self, raw: bytes) -> None:
        assert inside(raw) is None
        assert [s.raw for s in stanzas(raw)] == [raw]

    def test_nothing_comes_after_an_error(self) -> None:
        scanner = Scanner(LIMITS)
        scanner.step = False
        assert isinstance(scanner.feed(HEADER + b"</x>")[-1], StreamError)
        assert scanner.feed(b"<iq/>") == []
        assert scanner.pending == 0

    def test_before_authentication_ten_thousand_bytes_pass(self) -> None:
        limits = ScanLimits.before_auth()
        raw = b"<message><body>" + b"x" * 9_869 + b"</body></message>"
        assert len(raw) == 9_901
        assert condition(HEADER + raw, limits) is None
        assert condition(HEADER + b"<a>" * 33, limits) is StreamCondition.POLICY_VIOLATION

    def test_a_tag_in_countless_pieces(self) -> None:
        scanner = Scanner(LIMITS)
        scanner.step = False
        scanner.feed(HEADER)
        events: list[Event] = scanner.feed(b"<iq a='")
        for _ in range(1_900):
            events += scanner.feed(b">")
        [error] = events
        assert isinstance(error, StreamError)
        assert error.condition is StreamCondition.POLICY_VIOLATION

    def test_a_depth_that_trees_cannot_hold(self) -> None:
        with pytest.raises(ValueError, match="depth"):
            ScanLimits(depth=1_000)
