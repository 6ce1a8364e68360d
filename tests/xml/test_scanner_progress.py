"""What the scanner keeps between chunks, and that it does not matter where they end."""

from __future__ import annotations

import gc
import random
from collections.abc import Callable
from xml.parsers.expat import XMLParserType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.xml.test_scanner import FOOTER, HEADER, LIMITS, facts, scan
from xmpp_server.errors import StreamError
from xmpp_server.xml import scanner as module
from xmpp_server.xml.expat import ContentParser
from xmpp_server.xml.parser import parse
from xmpp_server.xml.scanner import MAX_SINGLE_BYTES, ParserPool, ScanLimits, Scanner, StreamFooter, StreamHeader
from xmpp_server.xml.stanza import Scope, Stanza


def left_behind(act: Callable[[], object]) -> list[object]:
    """Scanners, parsers and errors that only the garbage collector frees."""
    gc.collect()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        act()
        gc.collect()
        return [o for o in gc.garbage if isinstance(o, Scanner | ContentParser | XMLParserType | StreamError)]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()


class TestProgress:
    @pytest.mark.parametrize("data", [b"</x>", b"<iq>\xff</iq>", b"text", b"<!-- -->", FOOTER])
    def test_leaves_no_work_for_the_garbage_collector(self, data: bytes) -> None:
        for chunk in (0, 1):
            head = HEADER.replace(b" to=", b" xmlns:p='urn:p' to=")
            assert not left_behind(lambda chunk=chunk, head=head: scan(head + b"<iq/>" + data, chunk))

    def test_closing_frees_the_parser(self) -> None:
        def abandon() -> None:
            scanner = Scanner(LIMITS, ParserPool())
            scanner.step = False
            scanner.feed(HEADER + b"<iq><a")
            scanner.close()
            assert scanner.feed(b"/></iq>") == []

        assert not left_behind(abandon)

    def test_step_mode_looks_no_further(self) -> None:
        scanner = Scanner(LIMITS)
        assert len(scanner.feed(HEADER + b"<a/><b/>\xff\xff")) == 1
        assert scanner.pending == len(b"<a/><b/>\xff\xff")
        assert [e.name for e in scanner.feed(b"") if isinstance(e, Stanza)] == ["a"]
        assert [e.name for e in scanner.feed(b"") if isinstance(e, Stanza)] == ["b"]
        [error] = scanner.feed(b"")
        assert isinstance(error, StreamError)

    def test_step_mode_parses_little_in_vain(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Each vain try costs a parser; many elements at once must not be tried as one again and again."""
        made = 0

        def make(scope: Scope, limits: ScanLimits, shelf: list[ContentParser]) -> ContentParser:
            nonlocal made
            made += 1
            return ContentParser(scope, limits, shelf=shelf)

        monkeypatch.setattr(module, "ContentParser", make)
        scanner = Scanner(ScanLimits(), ParserPool())
        element = b"<active xmlns='urn:xmpp:csi:0'/>"
        found = len(scanner.feed(HEADER + element * 2_000)) - 1
        while found < 2_000:
            found += len(scanner.feed(b""))
        assert made <= MAX_SINGLE_BYTES // len(element) + 1

    def test_restart_keeps_the_bytes_behind(self) -> None:
        scanner = Scanner(LIMITS)
        scanner.feed(HEADER + b"<auth/>" + HEADER + b"<iq/>")
        assert isinstance(scanner.feed(b"")[0], Stanza)
        scanner.reset()
        assert isinstance(scanner.feed(b"")[0], StreamHeader)
        scanner.step = False
        assert [e.name for e in scanner.feed(b"<message/>") if isinstance(e, Stanza)] == ["iq", "message"]

    def test_limits_may_rise(self) -> None:
        scanner = Scanner(ScanLimits(stanza_bytes=500))
        scanner.feed(HEADER)
        scanner.limits = LIMITS
        [stanza] = scanner.feed(b"<iq>" + b"x" * 1_000 + b"</iq>")
        assert isinstance(stanza, Stanza)

    def test_takes_any_buffer(self) -> None:
        for kind in (bytes, bytearray, memoryview):
            scanner = Scanner(LIMITS)
            scanner.step = False
            buffer = bytearray(HEADER + b"<iq id='1'/>")
            [_, stanza] = scanner.feed(kind(buffer))
            [again] = scanner.feed(kind(bytearray(b"<iq id='1'/>")))
            buffer[:] = b"?" * len(buffer)
            assert isinstance(stanza, Stanza)
            assert isinstance(again, Stanza)
            assert stanza.raw == again.raw == b"<iq id='1'/>"

    def test_idle_streams_share_parsers(self) -> None:
        pool = ParserPool()
        scanners = [Scanner(LIMITS, pool) for _ in range(10)]
        for scanner in scanners:
            scanner.step = False
            scanner.feed(HEADER + b"<iq/>")
        assert len(pool.shelf(LIMITS)) == 1

    @pytest.mark.parametrize("step", [True, False])
    def test_a_whole_element_leaves_none_behind(self, step: bool) -> None:
        pool = ParserPool()
        scanners = [Scanner(LIMITS, pool) for _ in range(10)]
        for scanner in scanners:
            scanner.step = step
            scanner.feed(HEADER)
        for scanner in scanners:
            assert [e.name for e in scanner.feed(b" <iq><a><b>c</b></a></iq>") if isinstance(e, Stanza)] == ["iq"]
        assert len(pool.shelf(LIMITS)) == 1

    def test_unfinished_stanzas_hold_one(self) -> None:
        pool = ParserPool(size=2)
        scanners = [Scanner(LIMITS, pool) for _ in range(5)]
        for scanner in scanners:
            scanner.step = False
            scanner.feed(HEADER + b"<iq><a/>")
        assert not pool.shelf(LIMITS)
        for number, scanner in enumerate(scanners):
            [stanza] = scanner.feed(b"<b%d/></iq>" % number)
            assert isinstance(stanza, Stanza)
            assert stanza.children == ("jabber:client a", f"jabber:client b{number}")
        assert len(pool.shelf(LIMITS)) == 2


PIECES = st.sampled_from(
    [
        b"<message to='a@b' id='1'><body>hi</body></message>",
        b"<message from='x' id='>'><a xmlns='urn:a' b='/>'>t>t</a></message>",
        b"<presence/>",
        b"<iq id='/'></iq>",
        b"<iq><q xmlns='urn:q'><i/><i/></q></iq >",
        b"<a xmlns='urn:xmpp:sm:3' h='1'/>",
        b"<r xmlns='urn:xmpp:sm:3' xmlns:p='/>'/>",
        "<message><body>ü😀&amp;<![CDATA[<&>]]></body></message>".encode(),
        b"<iq>" + b"y" * 2_100 + b"</iq>",
        b"<iq>" + b"<z>" * 9 + b"</z>" * 9 + b"</iq>",
        b" \n",
        b"t",
        b"<!-- -->",
        b"<![CDATA[x]]>",
        b"<x",
        b"'",
        b">",
        b"</stream:stream>",
        b"\xff",
    ]
)


@given(st.lists(PIECES, max_size=8), st.randoms(use_true_random=False), st.booleans())
@settings(max_examples=150, deadline=None)
def test_chunks_do_not_matter(pieces: list[bytes], rnd: random.Random, step: bool) -> None:
    data = HEADER + b"".join(pieces)
    expected = facts(scan(data))
    assert facts(scan(data, 1)) == expected
    assert facts(scan(data, rnd.randint(2, 60), step=step)) == expected


def test_every_split_in_two() -> None:
    data = HEADER + b"<iq id='>'><a>\xc3\xbc</a></iq> <presence/><message from='x'>t></message>" + FOOTER
    expected = facts(scan(data))
    assert len(expected) == 5
    for at in range(len(data)):
        scanner = Scanner(LIMITS)
        scanner.step = False
        assert facts(scanner.feed(data[:at]) + scanner.feed(data[at:])) == expected


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_mutations_never_raise(data: st.DataObject) -> None:
    text = bytearray(
        HEADER + b"<message to='a@b' id='1'><body>hi</body><x xmlns:p='urn:p' p:q='1'/></message><iq/></stream:stream>"
    )
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text) - 1))
        text[at : at + data.draw(st.integers(0, 2))] = data.draw(
            st.sampled_from([b"", b"<", b">", b"/", b"'", b"&", b"\0", b"\xff", b"!", b"x:", b" ", b"<!", b"]]>"])
        )
    stream = bytes(text)
    events = scan(stream)
    assert facts(scan(stream, 1)) == facts(events)
    for event in events:
        if isinstance(event, Stanza):
            assert event.element == parse(event.raw, event.scope.default, event.scope.prefixes)
            assert [e.tag for e in event.element.elements()] == list(event.children)
    assert all(not isinstance(e, StreamError | StreamFooter) for e in events[:-1])
